//! Loads the endpoint `RiskService.Classify` and measures it: `wildwarden bench`.
//!
//! | file | does |
//! | --- | --- |
//! | [`listings`], [`photo`] | what is sent, in memory; photos that no cache has seen |
//! | [`known`], [`versions`] | what a right answer is; which models gave it |
//! | [`client`] | sends a listing, judges the answer |
//! | [`arrivals`], [`search`] | when to send, which rate to try next; pure |
//! | [`load`] | closed and open loop |
//! | [`measure`], [`spread`], [`stages`], [`cpu`] | counts, histograms, times in the server, cost of the client |
//! | [`run`] | the modes |
//! | [`report`], [`text`], [`page`], [`plot`] | the outcome as JSON, CSV, table, page and charts |
//!
//! # What is honest about it
//! In an open loop a latency counts from the moment the listing was to be sent, so a server that stalls cannot hide behind a
//! client that waits. An answer that differs from the known rating is wrong, unless the server says that it gave up other
//! looks than then (`busy`, `budget`, `late`): such an answer must agree with itself. An error is an error, a listing for which no
//! place was free is not sent: none of them counts as a success, and none of their times goes into the latency.

pub mod arrivals;
pub mod client;
pub mod cpu;
pub mod known;
pub mod listings;
pub mod load;
pub mod measure;
pub mod page;
pub mod photo;
pub mod plot;
pub mod report;
pub mod run;
pub mod search;
pub mod spread;
pub mod stages;
pub mod text;
pub mod versions;
