//! Measures the service on labelled listings: `wildwarden evaluate`.
//!
//! | file | does |
//! | --- | --- |
//! | [`input`] | a labelled folder, JSONL or CSV becomes cases; [`case`] says what one is |
//! | [`run`] | rates cases with the served pipeline; [`store`] keeps what is done, [`record`] says how |
//! | [`statistics`], [`calibration`], [`bootstrap`] | pure numbers, weighted, with intervals |
//! | [`measures`], [`fusion`], [`operation`], [`thresholds`], [`looks`], [`slices`], [`stress`], [`worst`] | the questions a report answers |
//! | [`report`] | all of them as one value, `evaluation.json` |
//! | [`html`], [`svg`], [`sheet`] | the same value as a page, charts and pictures |
//!
//! # What it writes
//! `scores.jsonl`, a line a listing (fields: [`record::Record`]); `stress/<degradation>.jsonl`, the same for degraded
//! copies; `evaluation.json` (fields: [`report::Report`]); `report.html`; `errors_<category>.jpg`.

pub mod bootstrap;
pub mod calibration;
pub mod case;
pub mod compare;
pub mod declared;
pub mod degrade;
pub mod fusion;
pub mod glyphs;
pub mod html;
pub mod input;
pub mod looks;
pub mod measures;
pub mod operation;
pub mod quality;
pub mod record;
pub mod report;
pub mod run;
pub mod sheet;
pub mod slices;
pub mod statistics;
pub mod store;
pub mod stress;
pub mod svg;
pub mod thresholds;
pub mod worst;
