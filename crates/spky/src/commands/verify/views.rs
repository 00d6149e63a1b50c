//! Views: the database says which there are, and the copy that keeps one compares what is stored of it.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use database::Database;
use protocol::{ViewComparison, ViewKey, ViewState};
use serde::Serialize;

use super::copy::Copy;
use crate::error::Error;

/// Views that are compared with one request.
const AT_ONCE: usize = 100;
/// How long a view may take from being registered until it is stored, or from being removed until it is gone.
const PATIENCE: Duration = Duration::from_secs(2);

/// How all views compare.
#[derive(Debug, Serialize)]
pub(super) struct ViewsReport {
    pub(super) compared: usize,
    /// Those that differ.
    pub(super) different: Vec<ViewReport>,
}

/// A view that differs.
#[derive(Debug, Serialize)]
pub(super) struct ViewReport {
    #[serde(flatten)]
    pub(super) comparison: ViewComparison,
    /// Whether it does not differ any more.
    pub(super) is_repaired: bool,
}

/// Compares all views, and repairs them if told so.
pub(super) async fn compare(database: &Database, copies: &[Copy], fix: bool) -> Result<ViewsReport, Error> {
    let mut report = ViewsReport { compared: 0, different: Vec::new() };
    let mut unkept: BTreeSet<ViewKey> = stored(database).await?.into_iter().collect();
    for copy in copies {
        let views = copy.views().await?;
        let kept: HashSet<&ViewKey> = views.iter().collect();
        unkept.retain(|view| !kept.contains(view));
        report.compared += views.len();
        for views in views.chunks(AT_ONCE) {
            let compared = copy.compare_views(views, fix).await?;
            let mut different: Vec<ViewComparison> = compared.into_iter().filter(differs).collect();
            let keys: Vec<ViewKey> = different.iter().map(|comparison| comparison.view.clone()).collect();
            let again = if fix && !keys.is_empty() { copy.compare_views(&keys, false).await? } else { Vec::new() };
            let still: HashSet<ViewKey> = again.into_iter().filter(differs).map(|comparison| comparison.view).collect();
            report.different.extend(different.drain(..).map(|comparison| {
                let is_repaired = fix && !still.contains(&comparison.view);
                ViewReport { comparison, is_repaired }
            }));
        }
    }
    if !unkept.is_empty() {
        tokio::time::sleep(PATIENCE).await;
        let stored: HashSet<ViewKey> = stored(database).await?.into_iter().collect();
        unkept.retain(|view| stored.contains(view));
        for copy in copies {
            let views = copy.views().await?;
            unkept.retain(|view| !views.contains(view));
        }
        report.compared += unkept.len();
        let unknown = |view| ViewComparison { view, state: ViewState::Unknown, differences: 0, examples: Vec::new() };
        let of_nobody = unkept.into_iter().map(unknown);
        report.different.extend(of_nobody.map(|comparison| ViewReport { comparison, is_repaired: false }));
    }
    Ok(report)
}

/// Whether a view is not as it should be. One that has been unregistered since is.
fn differs(comparison: &ViewComparison) -> bool {
    matches!(comparison.state, ViewState::Different | ViewState::Gone)
}

async fn stored(database: &Database) -> Result<Vec<ViewKey>, Error> {
    let queries = database.queries().await.map_err(Error::database("can't read the views"))?;
    Ok(queries.into_iter().map(|query| query.row.key).collect())
}
