//! The server around the core: [`transport`] checks what comes in over gRPC and says what goes out, [`lifecycle`] decides
//! which models and policy serve and puts them in service, [`server`] puts the parts together, [`cli`] holds the commands that
//! run a server and ask one.

pub mod cli;
pub mod lifecycle;
pub mod server;
pub mod transport;
