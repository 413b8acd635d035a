//! Every method that is served, and who may call it. What is not in the table is answered UNIMPLEMENTED and counted as unknown.

use wildwarden_core::config::{Openly, Role};

/// Who may call a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody, also without a key, unless the settings say otherwise: balancers ask before anybody has one.
    Open(Openly),
    /// Who has a key with the role. Without keys everybody has every role but [`Role::Admin`].
    Holder(Role),
    /// Operators, on their own listener: who reaches it is one, unless there are keys; then it takes the role admin.
    Operator,
}

const RISK: &str = "wildwarden.v1.RiskService";
const MODELS: &str = "wildwarden.v1.ModelService";
const INFERENCE: &str = "inference.GRPCInferenceService";
const HEALTH: &str = "grpc.health.v1.Health";
const LIFE: Access = Access::Open(Openly::Health);
const REFLECTION: Access = Access::Open(Openly::Reflection);
const CLASSIFY: Access = Access::Holder(Role::Classify);
const INFO: Access = Access::Holder(Role::Info);
const INFER: Access = Access::Holder(Role::Infer);
const ADMIN: Access = Access::Holder(Role::Admin);

/// Service, method, and who may call it.
pub const METHODS: &[(&str, &str, Access)] = &[
    (RISK, "Classify", CLASSIFY),
    (RISK, "ClassifyBatch", CLASSIFY),
    (RISK, "ClassifyStream", CLASSIFY),
    (RISK, "GetServerInfo", INFO),
    (INFERENCE, "ServerLive", LIFE),
    (INFERENCE, "ServerReady", LIFE),
    (INFERENCE, "ModelReady", INFER),
    (INFERENCE, "ServerMetadata", INFER),
    (INFERENCE, "ModelMetadata", INFER),
    (INFERENCE, "ModelInfer", INFER),
    (INFERENCE, "ModelConfig", INFER),
    (INFERENCE, "ModelStatistics", INFER),
    (INFERENCE, "RepositoryIndex", INFER),
    (INFERENCE, "RepositoryModelLoad", ADMIN),
    (INFERENCE, "RepositoryModelUnload", ADMIN),
    (MODELS, "ListModels", Access::Operator),
    (MODELS, "DescribeModel", Access::Operator),
    (MODELS, "Reload", Access::Operator),
    (MODELS, "LoadVersion", Access::Operator),
    (MODELS, "Promote", Access::Operator),
    (MODELS, "RollBack", Access::Operator),
    (MODELS, "Unload", Access::Operator),
    (MODELS, "StartShadow", Access::Operator),
    (MODELS, "StartCanary", Access::Operator),
    (MODELS, "StopCandidate", Access::Operator),
    (MODELS, "GetShadowReport", Access::Operator),
    (HEALTH, "Check", LIFE),
    (HEALTH, "Watch", LIFE),
    ("grpc.reflection.v1.ServerReflection", "ServerReflectionInfo", REFLECTION),
    ("grpc.reflection.v1alpha.ServerReflection", "ServerReflectionInfo", REFLECTION),
];

/// Over HTTP: verb, path, the method that it is, and who may ask.
pub const RESOURCES: &[(&str, &str, &str, Access)] = &[
    ("POST", "/v1/listings:rate", "Classify", CLASSIFY),
    ("POST", "/v1/listings:batch", "ClassifyBatch", CLASSIFY),
    ("GET", "/v1/server", "GetServerInfo", INFO),
    ("GET", "/v1/openapi.json", "OpenApi", REFLECTION),
    ("GET", "/healthz", "ServerLive", LIFE),
    ("GET", "/readyz", "ServerReady", LIFE),
];

/// What the console asks for beside them.
pub const OF_CONSOLE: &[(&str, &str, &str, Access)] = &[
    ("GET", "/v1/models", "ListModels", Access::Operator),
    ("GET", "/v1/models:report", "GetShadowReport", Access::Operator),
    ("POST", "/v1/models:rollback", "RollBack", ADMIN),
    ("GET", "/metrics", "Metrics", Access::Holder(Role::Metrics)),
];

/// Calls of Triton's clients that are not served, and what to do instead.
pub const NOT_SERVED: &[(&str, &str)] = &[
    (
        "ModelStreamInfer",
        "streamed inference is not served: call ModelInfer, or RiskService/ClassifyStream for listings",
    ),
    ("TraceSetting", "traces are not served: the server's metrics have the time of every stage"),
    ("LogSettings", "log settings are not served: the configuration's log.level decides"),
    ("SystemSharedMemoryStatus", SHARED_MEMORY),
    ("SystemSharedMemoryRegister", SHARED_MEMORY),
    ("SystemSharedMemoryUnregister", SHARED_MEMORY),
    ("CudaSharedMemoryStatus", SHARED_MEMORY),
    ("CudaSharedMemoryRegister", SHARED_MEMORY),
    ("CudaSharedMemoryUnregister", SHARED_MEMORY),
];
const SHARED_MEMORY: &str = "shared memory is not served: send and read raw contents";

/// The method at `path`, `/service/method`, as the table has it.
pub(super) fn at(path: &str) -> Option<(&'static str, Access)> {
    let (service, method) = split(path);
    let found = METHODS.iter().find(|(of, name, _)| *name == method && *of == service);
    found.map(|(_, name, access)| (*name, *access))
}

/// What is at `path` over HTTP, or on the console: its verb, the method that it is, and who may ask.
pub(super) fn resource(path: &str, on_console: bool) -> Option<(&'static str, &'static str, Access)> {
    let more = if on_console { OF_CONSOLE } else { &[] };
    let found = RESOURCES.iter().chain(more).find(|(_, at, ..)| *at == path);
    found.map(|(verb, _, name, access)| (*verb, *name, *access))
}

/// Whether everybody may ask for what is at `path`, and may wait there for ever.
pub(super) fn is_open(path: &str) -> bool {
    let access = at(path).map(|(_, access)| access).or_else(|| resource(path, false).map(|(.., access)| access));
    matches!(access, Some(Access::Open(_)))
}

/// Whether `path` can be a page: methods have a service before their name.
pub(super) fn is_page(path: &str) -> bool {
    !path.trim_matches('/').contains('/')
}

/// Whether callers send more than one message.
pub(super) fn is_streamed(rpc: &str) -> bool {
    ["ClassifyStream", "ServerReflectionInfo"].contains(&rpc)
}

/// What to do instead of calling `path`.
pub(super) fn not_served(path: &str) -> Option<(&'static str, &'static str)> {
    let (service, method) = split(path);
    NOT_SERVED.iter().find(|(name, _)| service == INFERENCE && *name == method).copied()
}

fn split(path: &str) -> (&str, &str) {
    path.trim_start_matches('/').rsplit_once('/').unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost_reflect::DescriptorPool;

    use super::*;

    #[test]
    fn every_method_of_every_service_is_in_the_table_once_and_none_is_said_not_to_be_served() {
        let mut pool = DescriptorPool::decode(wildwarden_proto::DESCRIPTORS).unwrap();
        pool.decode_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET).unwrap();
        for reflection in
            [tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET, tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET]
        {
            pool.decode_file_descriptor_set(reflection).unwrap();
        }
        let declared: BTreeSet<(String, String)> = pool
            .services()
            .flat_map(|service| {
                let names: Vec<_> = service.methods().map(|method| method.name().to_owned()).collect();
                names.into_iter().map(move |name| (service.full_name().to_owned(), name))
            })
            .collect();
        let owned = |service: &str, name: &str| (service.to_owned(), name.to_owned());
        let listed: BTreeSet<_> = METHODS.iter().map(|(service, name, _)| owned(service, name)).collect();
        assert_eq!(listed, declared);
        assert_eq!(METHODS.len(), declared.len(), "a method is listed twice");
        assert!(NOT_SERVED.iter().all(|(name, _)| !declared.contains(&owned(INFERENCE, name))));
    }

    #[test]
    fn paths_are_matched_whole() {
        assert_eq!(at("/wildwarden.v1.RiskService/Classify"), Some(("Classify", CLASSIFY)));
        for path in ["", "/", "/Classify", "/inference.GRPCInferenceService/Classify", "//wildwarden.v1.RiskService/x"]
        {
            assert_eq!(at(path), None, "{path}");
        }
        assert!(not_served("/inference.GRPCInferenceService/TraceSetting").is_some());
        assert!(not_served("/wildwarden.v1.RiskService/TraceSetting").is_none());
    }
}
