//! Relations that are made from results: nested queries, split rows, and groups with their aggregates.

pub(crate) mod aggregate;
pub(crate) mod derive;
pub(crate) mod groups;
pub(crate) mod input_orders;
pub(crate) mod items;
pub(crate) mod operator;
pub(crate) mod scan_key;
