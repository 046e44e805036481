//! The binary as a host runs it: started on a fresh data folder and a free port, spoken to over
//! HTTP, stopped and killed. What is true here is true for a member's app.

#![allow(clippy::indexing_slicing, reason = "the whole crate is a test: a panic is its verdict")]
#![allow(clippy::disallowed_methods, reason = "apps connect from outside")]

mod acme;
mod allowances;
mod backup;
mod bodies;
mod browser;
mod challenged;
mod commands;
mod company;
mod contract;
mod demo;
mod doctor;
mod drill;
mod egress;
mod endpoints;
mod entering;
mod homes;
mod instance;
mod jobs;
mod kernel;
#[path = "../../../shield/tests/kernel/lab.rs"]
#[allow(dead_code, reason = "the shield's own tests use the rest")]
mod lab;
mod leaving;
mod mail;
mod media;
mod oauth;
mod pages;
mod paging;
mod postgres;
mod proxies;
mod reading;
mod rows;
mod sessions;
mod shapes;
mod shelter;
mod shielded;
mod sink;
mod story;
mod streaming;
mod tls;
mod typed;
mod visitors;

mod lifecycle;
mod metrics;
mod service;
