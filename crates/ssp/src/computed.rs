//! What the database computes by itself. Nothing tells that it has changed, so no view may show it.

use std::collections::{BTreeMap, BTreeSet};

use circuit::{Beyond, Plan};
use database::Structure;

/// All that the database computed when that was looked at last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Computed {
    /// The tables of which the rows are: `DEFINE TABLE … AS SELECT`. The changefeed does not say which of them has changed.
    rows: BTreeSet<String>,
    /// The fields that are when they are read, `DEFINE FIELD … COMPUTED`, of each table that has any.
    fields: BTreeMap<String, BTreeSet<String>>,
}

impl Computed {
    pub(crate) fn read(structure: &Structure) -> Computed {
        let views = structure.tables.iter().filter(|table| table.is_view);
        let fields = structure.computed_fields();
        Computed {
            rows: views.map(|table| table.name.clone()).collect(),
            fields: fields.map(|(table, fields)| (table.to_owned(), fields)).collect(),
        }
    }

    /// Why a view of this plan can't be kept, if it can't. O(plan).
    pub(crate) fn objection(&self, plan: &Plan) -> Option<String> {
        if self.rows.is_empty() && self.fields.is_empty() {
            return None;
        }
        let mut objection = None;
        plan.tables(&mut |table| {
            if self.rows.contains(&**table) {
                objection.get_or_insert_with(|| {
                    format!(
                        "the rows of {table} are computed by the database (DEFINE TABLE … AS SELECT), whose changefeed does \
                         not say which of them have changed: select from the tables that they are computed from"
                    )
                });
            } else if self.fields.contains_key(&**table) {
                objection.get_or_insert_with(|| {
                    format!(
                        "{table} has fields that are COMPUTED when they are read, and nothing tells that they have changed: \
                         select what they are computed from"
                    )
                });
            }
        });
        plan.beyond(&mut |beyond| {
            let Some((table, what)) = self.reached(beyond) else { return };
            objection.get_or_insert_with(|| {
                format!(
                    "{what} may be behind a link here, where {table} has fields that are COMPUTED when they are read: nothing \
                     tells that they have changed"
                )
            });
        });
        objection
    }

    /// A table that has something computed of what may be read, and what that is.
    fn reached(&self, beyond: Beyond<'_>) -> Option<(&str, String)> {
        let of_name = |name: &str| self.fields.iter().find(|(_, fields)| fields.contains(name));
        match beyond {
            Beyond::Field(name) => of_name(name).map(|(table, _)| (table.as_str(), format!("the field {name}"))),
            Beyond::Whole => self.fields.keys().next().map(|table| (table.as_str(), "a whole record".to_owned())),
        }
    }
}
