//! What differs, for people or programs.

use protocol::ViewState;
use serde::Serialize;

use super::tables::{Findings, Kind, State, TableReport};
use super::views::{ViewReport, ViewsReport};
use crate::error::Error;
use crate::output::line;

/// How everything compares.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    database: String,
    /// Whether all is equal, or has been repaired.
    #[serde(rename = "equal")]
    pub(super) is_equal: bool,
    tables: Vec<TableReport>,
    views: ViewsReport,
}

impl Report {
    pub(super) fn new(database: String, tables: Vec<TableReport>, views: ViewsReport) -> Self {
        let is_equal = tables.iter().all(|table| table.state != State::Different)
            && views.different.iter().all(|view| view.is_repaired);
        Report { database, is_equal, tables, views }
    }

    pub(super) fn print_json(&self) -> Result<(), Error> {
        let text = serde_json::to_string(self).map_err(|error| Error::Output(error.into()))?;
        line(&text)
    }

    pub(super) fn print(&self, fix: bool) -> Result<(), Error> {
        let width = self.tables.iter().map(|table| table.table.chars().count()).max().unwrap_or_default();
        for table in &self.tables {
            print_table(table, width)?;
        }
        let ViewsReport { compared, different } = &self.views;
        line(&format!("{compared} views, {} of them different", different.len()))?;
        for view in different {
            print_view(view)?;
        }
        let differed = self.tables.iter().any(|table| table.state != State::Equal) || !different.is_empty();
        line(match (self.is_equal, differed) {
            (true, false) => "equal",
            (true, true) => "repaired",
            (false, _) if fix => "different still",
            (false, _) => "different: `spky verify --fix` repairs it",
        })
    }
}

fn print_table(table: &TableReport, width: usize) -> Result<(), Error> {
    let TableReport { table: name, copy, rows, findings, .. } = table;
    let Findings { differences, has_more, records } = findings;
    let more = if *has_more { "more than " } else { "" };
    let state = match table.state {
        State::Equal => "equal".to_owned(),
        State::Different => format!("different: {more}{differences}"),
        State::Repaired => format!("repaired: {more}{differences} were different"),
    };
    let ids_only = if table.ids_only { " (ids only: it has computed fields)" } else { "" };
    line(&format!("{name:<width$}  {rows:>10} records  {state}{ids_only}"))?;
    for record in records {
        let what = match record.kind {
            Kind::Missing => format!("is missing in {copy}"),
            Kind::Extra => format!("is in {copy} and not in the database"),
            Kind::Other => format!("has another content in {copy}"),
        };
        line(&format!("    {} {what}", record.id))?;
    }
    if *differences > records.len() {
        line(&format!("    and {more}{} more", differences - records.len()))?;
    }
    Ok(())
}

fn print_view(view: &ViewReport) -> Result<(), Error> {
    let comparison = &view.comparison;
    let what = match comparison.state {
        ViewState::Equal => "equal".to_owned(),
        ViewState::Different => format!("{} differences", comparison.differences),
        ViewState::Unknown => "no sidecar keeps it; their logs say why".to_owned(),
        ViewState::Gone => "its record is not in the database".to_owned(),
    };
    let repaired = if view.is_repaired { ", repaired" } else { "" };
    line(&format!("    {}: {what}{repaired}", comparison.view))?;
    comparison.examples.iter().try_for_each(|example| line(&format!("        {example}")))
}
