//! Small ONNX files, written here, and changes to others: protobuf takes what is appended to a message as more of it.
#![allow(clippy::unwrap_used, reason = "test helper")]
#![allow(dead_code, reason = "each test binary uses a part of it")]

use prost::Message;

/// A head over embeddings of `size` values: their mean, then each of `operators` on what came before. A `Sub` or `Div` has
/// the same value on both sides. The output is declared with the element type `dtype` of the format (1: float32).
pub(crate) fn head(operators: &[&str], size: i64, dtype: i32) -> Vec<u8> {
    let axes = |axes: &[i64]| Attribute { name: "axes".into(), ints: axes.to_vec(), kind: 7, ..Default::default() };
    let mut nodes = vec![Node::new("ReduceMean", &["embedding"], "v0", vec![axes(&[1])])];
    for (index, operator) in operators.iter().enumerate() {
        let (value, next) = (format!("v{index}"), format!("v{}", index + 1));
        let (inputs, attributes) = match *operator {
            "Sub" | "Div" => (vec![value.as_str(); 2], vec![]),
            "Cast" => {
                (vec![value.as_str()], vec![Attribute { name: "to".into(), i: 10, kind: 2, ..Default::default() }])
            }
            "ToBool" => {
                (vec![value.as_str()], vec![Attribute { name: "to".into(), i: 9, kind: 2, ..Default::default() }])
            }
            // Keeps the rows whose mean is not 0.
            "Compress" => {
                (vec!["v0", value.as_str()], vec![Attribute { name: "axis".into(), kind: 2, ..Default::default() }])
            }
            "ReduceMean" => (vec![value.as_str()], vec![axes(&[0])]),
            _ => (vec![value.as_str()], vec![]),
        };
        let operator = if *operator == "ToBool" { "Cast" } else { operator };
        nodes.push(Node::new(operator, &inputs, &next, attributes));
    }
    nodes.last_mut().unwrap().output = vec!["logits".into()];
    let graph = Graph {
        node: nodes,
        name: "head".into(),
        input: vec![Value::new("embedding", 1, size)],
        output: vec![Value::new("logits", dtype, 1)],
        ..Default::default()
    };
    Model { ir_version: Some(8), graph: Some(graph), opset_import: vec![Opset { domain: String::new(), version: 17 }] }
        .encode_to_vec()
}

/// A graph that every version has, which says to be of IR version `ir` and to use `sets`.
pub(crate) fn relu(ir: i64, sets: &[(&str, i64)]) -> Vec<u8> {
    let graph = Graph {
        node: vec![Node::new("Relu", &["a"], "b", vec![])],
        name: "relu".into(),
        input: vec![Value::new("a", 1, 4)],
        output: vec![Value::new("b", 1, 4)],
        ..Default::default()
    };
    let set = |(domain, version): &(&str, i64)| Opset { domain: (*domain).into(), version: *version };
    Model { ir_version: Some(ir), graph: Some(graph), opset_import: sets.iter().map(set).collect() }.encode_to_vec()
}

/// What is appended to a model.
pub(crate) struct Change(Model);

impl Change {
    pub(crate) fn ir(version: i64) -> Self {
        Self(Model { ir_version: Some(version), ..Default::default() })
    }

    pub(crate) fn opset(domain: &str, version: i64) -> Self {
        Self(Model { opset_import: vec![Opset { domain: domain.into(), version }], ..Default::default() })
    }

    pub(crate) fn operator(domain: &str, name: &str) -> Self {
        let node = Node { domain: domain.into(), ..Node::new(name, &["logits"], "after", vec![]) };
        Self(Model { graph: Some(Graph { node: vec![node], ..Default::default() }), ..Default::default() })
    }

    pub(crate) fn external(location: &str) -> Self {
        let entry = Entry { key: "location".into(), value: location.into() };
        let tensor =
            Tensor { dims: vec![1], data_type: 1, name: "more".into(), external_data: vec![entry], data_location: 1 };
        Self(Model { graph: Some(Graph { initializer: vec![tensor], ..Default::default() }), ..Default::default() })
    }

    pub(crate) fn applied(&self, model: &[u8]) -> Vec<u8> {
        [model, &self.0.encode_to_vec()].concat()
    }
}

impl Node {
    fn new(operator: &str, inputs: &[&str], output: &str, attribute: Vec<Attribute>) -> Self {
        let input = inputs.iter().map(|&name| name.to_owned()).collect();
        Self { input, output: vec![output.into()], op_type: operator.into(), attribute, domain: String::new() }
    }
}

impl Value {
    fn new(name: &str, dtype: i32, columns: i64) -> Self {
        let dim =
            vec![Dimension { param: Some("N".into()), value: None }, Dimension { param: None, value: Some(columns) }];
        Self { name: name.into(), kind: Some(Type { tensor: Some(TensorType { dtype, shape: Some(Shape { dim }) }) }) }
    }
}

#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(int64, optional, tag = "1")]
    ir_version: Option<i64>,
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    opset_import: Vec<Opset>,
}

#[derive(Clone, PartialEq, Message)]
struct Opset {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(int64, tag = "2")]
    version: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(message, repeated, tag = "1")]
    node: Vec<Node>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    input: Vec<Value>,
    #[prost(message, repeated, tag = "12")]
    output: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, repeated, tag = "1")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    output: Vec<String>,
    #[prost(string, tag = "4")]
    op_type: String,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<Attribute>,
    #[prost(string, tag = "7")]
    domain: String,
}

#[derive(Clone, PartialEq, Message)]
struct Attribute {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int64, tag = "3")]
    i: i64,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    ints: Vec<i64>,
    #[prost(int32, tag = "20")]
    kind: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(message, repeated, tag = "13")]
    external_data: Vec<Entry>,
    #[prost(int32, tag = "14")]
    data_location: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    kind: Option<Type>,
}

#[derive(Clone, PartialEq, Message)]
struct Type {
    #[prost(message, optional, tag = "1")]
    tensor: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorType {
    #[prost(int32, tag = "1")]
    dtype: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<Shape>,
}

#[derive(Clone, PartialEq, Message)]
struct Shape {
    #[prost(message, repeated, tag = "1")]
    dim: Vec<Dimension>,
}

#[derive(Clone, PartialEq, Message)]
struct Dimension {
    #[prost(int64, optional, tag = "1")]
    value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    param: Option<String>,
}
