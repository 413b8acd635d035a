//! What a graph does first with its picture and last with its scores: it tells how the model is fed and what it gives.

use prost::Message;
use wildwarden_core::model::folder::manifest::Holds;
use wildwarden_proto::onnx::{GraphProto, ModelProto, NodeProto};

use super::found::{Found, ImageFound};

/// Operators that move values and do not change them.
const MOVING: [&str; 8] = ["Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze", "Clip"];
/// Operators that scale or shift.
const SCALING: [&str; 4] = ["Add", "Div", "Mul", "Sub"];

/// What the operators of the file say, for an image `input` if it takes one, and for the `output` with the scores.
pub(super) fn read(onnx: &[u8], input: Option<&str>, output: Option<&str>) -> Found {
    let graph = ModelProto::decode(onnx).ok().and_then(|model| model.graph).unwrap_or_default();
    let scales = input.is_some_and(|input| first(&graph, input).is_some_and(|name| SCALING.contains(&name.as_str())));
    // What scales its pictures itself is given bytes as they are.
    let normalisation = scales.then_some(([0.0; 3], [1.0; 3]));
    let holds = match output.and_then(|output| last(&graph, output)).as_deref() {
        Some("Softmax") => Some(Holds::Softmax),
        Some("Sigmoid" | "HardSigmoid") => Some(Holds::Sigmoid),
        _ => None,
    };
    Found { image: ImageFound { normalisation, ..ImageFound::default() }, holds, ..Found::default() }
}

/// The first operator that changes the values of `input`; `None`: there is none, or they go several ways.
fn first(graph: &GraphProto, input: &str) -> Option<String> {
    let mut name = input.to_owned();
    for _ in 0..graph.node.len() {
        let mut users = graph.node.iter().filter(|node| node.input.contains(&name));
        let (node, None) = (users.next()?, users.next()) else { return None };
        if !MOVING.contains(&node.op_type.as_str()) {
            return Some(node.op_type.clone());
        }
        name.clone_from(node.output.first()?);
    }
    None
}

/// The last operator that changes the values of `output`.
fn last(graph: &GraphProto, output: &str) -> Option<String> {
    let mut name = output.to_owned();
    for _ in 0..graph.node.len() {
        let node: &NodeProto = graph.node.iter().find(|node| node.output.contains(&name))?;
        if !MOVING.contains(&node.op_type.as_str()) {
            return Some(node.op_type.clone());
        }
        name.clone_from(node.input.first()?);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(op_type: &str, input: &str, output: &str) -> NodeProto {
        let (input, output) = (vec![input.to_owned()], vec![output.to_owned()]);
        NodeProto { op_type: op_type.into(), input, output, ..NodeProto::default() }
    }

    fn file(nodes: &[[&str; 3]]) -> Vec<u8> {
        let node = nodes.iter().map(|[op_type, input, output]| node(op_type, input, output)).collect();
        ModelProto { graph: Some(GraphProto { node, ..GraphProto::default() }), ..ModelProto::default() }
            .encode_to_vec()
    }

    #[test]
    fn a_graph_that_scales_its_picture_and_ends_in_a_softmax_says_so() {
        let scaled =
            [["Cast", "x", "a"], ["Mul", "a", "b"], ["Conv", "b", "c"], ["Softmax", "c", "d"], ["Identity", "d", "y"]];
        let found = read(&file(&scaled), Some("x"), Some("y"));
        assert_eq!((found.holds, found.image.normalisation), (Some(Holds::Softmax), Some(([0.0; 3], [1.0; 3]))));
        let plain = [["Transpose", "x", "a"], ["Conv", "a", "b"], ["Gemm", "b", "y"]];
        let found = read(&file(&plain), Some("x"), Some("y"));
        assert_eq!((found.holds, found.image.normalisation), (None, None));
        // A circle, which no checked graph has, ends all the same.
        read(&file(&[["Cast", "x", "y"], ["Cast", "y", "x"]]), Some("x"), Some("y"));
    }
}
