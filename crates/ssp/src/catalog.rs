//! What users may see, as it is defined in the database now.

use std::sync::Arc;

use circuit::Value;
use database::{QueryRow, Structure};
use query::{Catalog, CatalogError, ErrorKind, Query};
use tokio::sync::watch;

/// The select permissions of all tables, known to all. Until they have been read, no user may see anything.
#[derive(Clone, Debug)]
pub(crate) struct Permissions(Arc<watch::Sender<Arc<Catalog>>>);

impl Permissions {
    pub(crate) fn unknown() -> Self {
        Permissions(Arc::new(watch::Sender::new(Arc::default())))
    }

    pub(crate) fn get(&self) -> Arc<Catalog> {
        self.0.borrow().clone()
    }

    /// Takes over what is defined now. Answers it if that is not what was defined before.
    ///
    /// # Errors
    /// If the database describes itself in an unknown way. Then nothing is known any more.
    pub(crate) fn read(&self, structure: &Structure) -> Result<Option<Arc<Catalog>>, CatalogError> {
        let read = catalog(structure);
        let catalog = Arc::new(read.clone().unwrap_or_default());
        let is_other = self.0.send_if_modified(|current| {
            let is_other = *current != catalog;
            if is_other {
                *current = catalog.clone();
            }
            is_other
        });
        read.map(|_| is_other.then_some(catalog))
    }
}

fn catalog(structure: &Structure) -> Result<Catalog, CatalogError> {
    let mut catalog = Catalog::read_database(&structure.database)?;
    for (table, fields) in structure.tables.iter().zip(&structure.fields) {
        catalog.read_table(&table.name, fields)?;
    }
    Ok(catalog)
}

/// Compiles a stored query again. A parameter that was `NONE` is not stored, and the query compiled when it was
/// registered: so what is missing now was `NONE`.
pub(crate) fn recompile(row: &QueryRow, catalog: &Catalog) -> Result<Query, query::Error> {
    let mut params = row.params.clone();
    loop {
        match query::compile_as(&row.surql, &params, catalog) {
            Err(query::Error { kind: ErrorKind::UnknownParameter { name }, .. }) if params.get(&name).is_none() => {
                let given = params.iter().map(|(name, value)| (name.clone(), value.clone()));
                params = given.chain([(name.into(), Value::None)]).collect();
            }
            outcome => return outcome,
        }
    }
}
