//! What an ONNX file says of itself, read without running it: versions, operators, inputs and outputs, and whether its
//! weights lie elsewhere. The messages are those of `onnx.proto`; weights are skipped, not copied.

use std::collections::BTreeSet;

use prost::Message;
use wildwarden_proto::onnx::tensor_shape_proto::Dimension;
use wildwarden_proto::onnx::{GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto, ValueInfoProto};

use crate::model::folder::tensor::{Dtype, TensorSpec};

/// Newest version of the format that the pinned ONNX Runtime (see `scripts/setup.sh`) reads; `tests/broken_models.rs` holds it to that.
pub const NEWEST_IR: i64 = 13;

/// Operator sets that ONNX Runtime has built in, with the newest version of each. Operators of any other domain are custom:
/// they would need a library of machine code beside the model.
pub const OPERATOR_SETS: [(&str, i64); 3] = [("ai.onnx", 26), ("ai.onnx.ml", 5), ("com.microsoft", 1)];

/// Element types by their number in the format.
const ELEMENT_TYPES: [&str; 17] = [
    "undefined",
    "float32",
    "uint8",
    "int8",
    "uint16",
    "int16",
    "int32",
    "int64",
    "string",
    "bool",
    "float16",
    "float64",
    "uint32",
    "uint64",
    "complex64",
    "complex128",
    "bfloat16",
];

/// Versions, operators and tensors of an ONNX file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    /// Version of the format.
    pub ir_version: i64,
    /// Operator sets with their versions.
    pub operator_sets: Vec<(String, i64)>,
    /// Number of nodes, those of subgraphs included.
    pub nodes: usize,
    /// Inputs that a caller feeds.
    pub inputs: Vec<TensorSpec>,
    /// What a run gives.
    pub outputs: Vec<TensorSpec>,
}

impl Graph {
    /// Reads and checks the bytes of an ONNX file.
    ///
    /// # Errors
    /// A sentence with the value that is wrong and what is allowed.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        if bytes.is_empty() {
            return Err("is empty: an ONNX model was expected".into());
        }
        let model = ModelProto::decode(bytes)
            .map_err(|cause| format!("is no whole ONNX model of {} bytes: {cause}", bytes.len()))?;
        let graph = model.graph.as_ref().ok_or("holds no graph: it is no ONNX model")?;
        if model.ir_version > NEWEST_IR {
            let found = model.ir_version;
            return Err(format!("has IR version {found}; this ONNX Runtime reads versions up to {NEWEST_IR}"));
        }
        let operator_sets: Vec<(String, i64)> =
            model.opset_import.iter().map(|set| (domain(&set.domain).to_owned(), set.version)).collect();
        for (name, version) in &operator_sets {
            if let Some((_, newest)) = OPERATOR_SETS.iter().find(|(known, _)| known == name)
                && version > newest
            {
                return Err(format!("has opset {version} of {name}; this ONNX Runtime has opsets up to {newest}"));
            }
        }
        let mut survey = Survey::default();
        survey.model(&model)?;
        Ok(Self {
            ir_version: model.ir_version,
            operator_sets,
            nodes: survey.nodes,
            // Old exporters list weights among the inputs; nobody feeds those.
            inputs: specs("input", graph.input.iter().filter(|input| !initializes(graph, &input.name)))?,
            outputs: specs("output", graph.output.iter())?,
        })
    }
}

impl std::fmt::Display for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let opset = self.operator_sets.iter().find(|(name, _)| name == "ai.onnx").map_or(0, |(_, version)| *version);
        write!(f, "{} nodes, opset {opset}, IR {}", self.nodes, self.ir_version)
    }
}

/// A walk over everything that may hold nodes or weights.
#[derive(Default)]
struct Survey {
    nodes: usize,
    functions: BTreeSet<(String, String)>,
}

impl Survey {
    fn model(&mut self, model: &ModelProto) -> Result<(), String> {
        self.functions = model.functions.iter().map(|f| (domain(&f.domain).to_owned(), f.name.clone())).collect();
        let training = model.training_info.iter().flat_map(|info| info.initialization.iter().chain(&info.algorithm));
        for graph in model.graph.iter().chain(training) {
            self.graph(graph)?;
        }
        model.functions.iter().flat_map(|function| &function.node).try_for_each(|node| self.node(node))
    }

    fn graph(&mut self, graph: &GraphProto) -> Result<(), String> {
        graph.initializer.iter().try_for_each(inside)?;
        graph.sparse_initializer.iter().try_for_each(sparse_inside)?;
        graph.node.iter().try_for_each(|node| self.node(node))
    }

    fn node(&mut self, node: &NodeProto) -> Result<(), String> {
        self.nodes += 1;
        let domain = domain(&node.domain);
        let own = self.functions.contains(&(domain.to_owned(), node.op_type.clone()));
        if !own && !OPERATOR_SETS.iter().any(|(known, _)| *known == domain) {
            let known = OPERATOR_SETS.map(|(name, _)| name).join(", ");
            let operator = &node.op_type;
            return Err(format!("uses the custom operator {operator} of {domain}; allowed are those of {known}"));
        }
        for attribute in &node.attribute {
            attribute.t.iter().chain(&attribute.tensors).try_for_each(inside)?;
            let sparse = attribute.sparse_tensor.iter().chain(&attribute.sparse_tensors);
            sparse.into_iter().try_for_each(sparse_inside)?;
            attribute.g.iter().chain(&attribute.graphs).try_for_each(|graph| self.graph(graph))?;
        }
        Ok(())
    }
}

/// External data would be read from a path that the model names, past hashes and limits.
fn inside(tensor: &TensorProto) -> Result<(), String> {
    const EXTERNAL: i32 = 1;
    if tensor.data_location != EXTERNAL && tensor.external_data.is_empty() {
        return Ok(());
    }
    let location = tensor.external_data.iter().find(|entry| entry.key == "location").map(|entry| entry.value.as_str());
    let (name, location) = (&tensor.name, location.unwrap_or_default());
    Err(format!("keeps the weights {name:?} in another file, {location:?}; save the model as one file"))
}

fn sparse_inside(tensor: &SparseTensorProto) -> Result<(), String> {
    tensor.values.iter().chain(&tensor.indices).try_for_each(inside)
}

fn domain(name: &str) -> &str {
    if name.is_empty() { "ai.onnx" } else { name }
}

fn specs<'a>(what: &str, values: impl Iterator<Item = &'a ValueInfoProto>) -> Result<Vec<TensorSpec>, String> {
    values.map(|value| spec(value).map_err(|problem| format!("{what} {:?} {problem}", value.name))).collect()
}

fn spec(value: &ValueInfoProto) -> Result<TensorSpec, String> {
    let tensor = value.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref()).ok_or("is no tensor")?;
    let dtype = match tensor.elem_type {
        1 => Dtype::Float32,
        2 => Dtype::Uint8,
        6 => Dtype::Int32,
        7 => Dtype::Int64,
        10 => Dtype::Float16,
        other => {
            let named = usize::try_from(other).ok().and_then(|other| ELEMENT_TYPES.get(other));
            let found = named.map_or_else(|| format!("of element type {other}"), |name| (*name).to_owned());
            if found == "string" {
                return Err("is string: the graph reads files or texts by itself; cut that part off, it is fed pixels or numbers".into());
            }
            return Err(format!("is {found}; tensors are float32, float16, uint8, int32 or int64"));
        }
    };
    let size = |dimension: &Dimension| dimension.dim_value.unwrap_or(-1);
    let shape = tensor.shape.iter().flat_map(|shape| shape.dim.iter().map(size)).collect();
    Ok(TensorSpec { name: value.name.clone(), dtype, shape })
}

fn initializes(graph: &GraphProto, name: &str) -> bool {
    graph.initializer.iter().any(|tensor| tensor.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wildwarden_proto::onnx::{AttributeProto, FunctionProto, StringStringEntryProto};

    const HEAD: &[u8] = include_bytes!("../../../../tests/fixtures/models/narrow_head.onnx");

    /// Protobuf merges what is appended: a field given twice takes the last value, lists and messages grow.
    fn with(change: &ModelProto) -> Vec<u8> {
        [HEAD, &change.encode_to_vec()].concat()
    }

    fn graph(graph: GraphProto) -> ModelProto {
        ModelProto { graph: Some(graph), ..Default::default() }
    }

    fn external() -> TensorProto {
        let location = StringStringEntryProto { key: "location".into(), value: "weights.bin".into() };
        TensorProto { name: "w".into(), external_data: vec![location], data_location: 1 }
    }

    #[test]
    fn a_head_tells_its_versions_and_tensors() {
        let graph = Graph::read(HEAD).unwrap();
        assert_eq!((graph.ir_version, graph.nodes), (8, 1));
        assert_eq!(graph.operator_sets, [("ai.onnx".to_owned(), 17)]);
        assert_eq!(graph.inputs[0].shape, [-1, 64]);
        assert_eq!((graph.outputs[0].name.as_str(), graph.outputs[0].dtype), ("logits", Dtype::Float32));
    }

    #[test]
    fn weights_in_another_file_are_found_wherever_they_hide() {
        let in_attribute = AttributeProto { t: Some(external()), ..Default::default() };
        let node = |attribute| NodeProto { op_type: "If".into(), attribute: vec![attribute], ..NodeProto::default() };
        let inner = GraphProto { initializer: vec![external()], ..Default::default() };
        let in_subgraph = AttributeProto { g: Some(inner), ..Default::default() };
        let sparse = SparseTensorProto { indices: Some(external()), values: None };
        let function = FunctionProto { node: vec![node(in_attribute.clone())], ..Default::default() };
        for change in [
            graph(GraphProto { initializer: vec![external()], ..Default::default() }),
            graph(GraphProto { sparse_initializer: vec![sparse], ..Default::default() }),
            graph(GraphProto { node: vec![node(in_attribute)], ..Default::default() }),
            graph(GraphProto { node: vec![node(in_subgraph)], ..Default::default() }),
            ModelProto { functions: vec![function], ..Default::default() },
        ] {
            let problem = Graph::read(&with(&change)).unwrap_err();
            assert!(problem.contains("weights.bin"), "{problem}");
        }
    }

    #[test]
    fn functions_of_the_model_are_no_custom_operators() {
        let node = NodeProto { op_type: "Twice".into(), domain: "mine".into(), ..NodeProto::default() };
        let mut change = graph(GraphProto { node: vec![node], ..Default::default() });
        assert!(Graph::read(&with(&change)).unwrap_err().contains("Twice of mine"));
        change.functions = vec![FunctionProto { name: "Twice".into(), domain: "mine".into(), node: vec![] }];
        Graph::read(&with(&change)).unwrap();
    }
}
