//! The fence around what sidecars write. Catches: a write under an epoch that is over, a write that slips through while the
//! epoch ends, a view that is noted for another sidecar than the one that keeps it.

mod support;

use std::time::Duration;

use circuit::{RecordId, Value};
use database::{Database, Edge, EdgeId, Error, Fence, QueryRow, RefMode, WriteBatch};
use protocol::{Format, ViewKey};
use support::{Server, object, run};

fn key(text: &str) -> ViewKey {
    text.parse().unwrap()
}

fn view(text: &str, ttl: Duration) -> QueryRow {
    QueryRow {
        key: key(text),
        surql: "SELECT * FROM person".to_owned(),
        params: object::<0>([]),
        client_id: "client".to_owned(),
        auth_id: None,
        access: Value::None,
        token: Value::None,
        ttl,
        format: Format::Streaming,
        frequency: None,
    }
}

fn put(db: &Database, view: &str, to: i64) -> WriteBatch {
    let id =
        EdgeId::new(db.edge_table(RefMode::Dedicated, None), key(view), RecordId::new("person", circuit::Key::Int(to)));
    let edge = Edge { id, version: 1, client_id: "client".into(), auth_id: None };
    WriteBatch { puts: vec![edge], ..WriteBatch::default() }
}

async fn edges(db: &Database, view: &str) -> usize {
    db.edges_of(&key(view), &db.names().list_ref()).await.unwrap().len()
}

fn is_fenced<T: std::fmt::Debug>(outcome: Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::Fenced { .. }))
}

#[tokio::test]
async fn nothing_is_written_under_an_epoch_that_is_over() {
    let server = Server::start();
    let (scheduler, db) = (server.installed().await, server.connect().await);
    run(&server.client().await, "CREATE person:1; CREATE person:2; CREATE person:3").await;
    db.set_fence(Some(Fence::closed("one")));
    assert!(is_fenced(db.register_query(&view("v", Duration::from_secs(60)), RefMode::Dedicated).await));

    let epoch = scheduler.enlist("one", "http://here").await.unwrap();
    db.set_fence(Some(Fence { member: "one".to_owned(), epoch }));
    db.register_query(&view("v", Duration::from_secs(60)), RefMode::Dedicated).await.unwrap();
    let before = db.requests();
    db.write(&put(&db, "v", 1)).await.unwrap();
    assert_eq!(db.requests() - before, 1, "the check costs no request");
    let expected = db.records(&[RecordId::new("person", circuit::Key::Int(2))]).await.unwrap();
    assert!(db.confirm(&expected, &put(&db, "v", 2)).await.unwrap().is_written);
    assert_eq!(edges(&scheduler, "v").await, 2);

    scheduler.fence_off("one", epoch - 1).await.unwrap();
    db.write(&put(&db, "v", 3)).await.unwrap();
    scheduler.fence_off("one", epoch).await.unwrap();
    scheduler.fence_off("one", epoch).await.unwrap();
    let next = scheduler.enlist("one", "http://there").await.unwrap();
    assert_eq!(next, epoch + 2, "ending an epoch twice is ending it once");
    let removes = put(&db, "v", 1).puts.into_iter().map(|edge| edge.id).collect();
    assert!(is_fenced(db.write(&WriteBatch { removes, ..WriteBatch::default() }).await));
    assert!(is_fenced(db.confirm(&expected, &put(&db, "v", 2)).await));
    assert!(is_fenced(db.register_query(&view("w", Duration::from_secs(60)), RefMode::Dedicated).await));
    assert!(is_fenced(db.remove_query(&key("v"), &db.names().list_ref()).await));
    assert!(is_fenced(db.expire_queries(&[key("v")]).await));
    assert!(is_fenced(db.drop_user_table(&RecordId::new("user", circuit::Key::Int(1))).await));
    assert!(is_fenced(db.take_over_queries(&[key("v")], epoch).await));
    assert_eq!(edges(&scheduler, "v").await, 3);
    assert!(scheduler.query(&key("w")).await.unwrap().is_none());

    db.set_fence(Some(Fence { member: "one".to_owned(), epoch: next }));
    db.write(&WriteBatch::default()).await.unwrap();
    db.remove_query(&key("v"), &db.names().list_ref()).await.unwrap();
    assert_eq!(edges(&scheduler, "v").await, 0);
    let members = scheduler.members().await.unwrap();
    assert_eq!(
        members.iter().map(|member| (&*member.id, &*member.url, member.epoch)).collect::<Vec<_>>(),
        [("one", "http://there", next)]
    );
}

/// Catches a transaction that got no answer in time, was sent again, and is carried out once more behind later ones.
#[tokio::test]
async fn results_that_arrive_behind_later_ones_are_refused() {
    let server = Server::start();
    let (db, late) = (server.installed().await, server.connect().await);
    run(&server.client().await, "CREATE person:1").await;
    let epoch = db.enlist("one", "http://here").await.unwrap();
    let fence = || Some(Fence { member: "one".to_owned(), epoch });
    db.set_fence(fence());
    db.register_query(&view("v", Duration::from_secs(60)), RefMode::Dedicated).await.unwrap();
    db.write(&put(&db, "v", 1)).await.unwrap();
    let removes = put(&db, "v", 1).puts.into_iter().map(|edge| edge.id).collect();
    db.write(&WriteBatch { removes, ..WriteBatch::default() }).await.unwrap();
    // Its first transaction has the number that the first one of the other had.
    late.set_fence(fence());
    assert!(is_fenced(late.write(&put(&late, "v", 1)).await));
    assert_eq!(edges(&db, "v").await, 0);
    let next = late.enlist("one", "http://here").await.unwrap();
    late.set_fence(Some(Fence { member: "one".to_owned(), epoch: next }));
    late.write(&put(&late, "v", 1)).await.unwrap();
    assert_eq!(edges(&db, "v").await, 1);
}

/// Catches a sidecar that removes, late, a view which another one has taken over.
#[tokio::test]
async fn a_view_is_removed_by_the_sidecar_that_keeps_it() {
    let server = Server::start();
    let (one, two) = (server.installed().await, server.connect().await);
    run(&server.client().await, "CREATE person:1").await;
    for (db, name) in [(&one, "one"), (&two, "two")] {
        let epoch = db.enlist(name, "http://here").await.unwrap();
        db.set_fence(Some(Fence { member: name.to_owned(), epoch }));
    }
    one.register_query(&view("v", Duration::from_secs(60)), RefMode::Dedicated).await.unwrap();
    one.write(&put(&one, "v", 1)).await.unwrap();
    two.take_over_queries(&[key("v")], 1).await.unwrap();
    let late = one.remove_query(&key("v"), &one.names().list_ref()).await;
    assert!(matches!(late, Err(Error::Moved { .. })), "{late:?}");
    assert_eq!(edges(&two, "v").await, 1);
    run(&server.client().await, "UPDATE _00_query:v SET lastActiveAt = time::now() - 61s").await;
    assert_eq!(one.overdue_queries().await.unwrap(), []);
    assert_eq!(
        one.expire_queries(&[key("v")]).await.unwrap(),
        [],
        "it was asked for before the view went to the other one"
    );
    assert!(two.query(&key("v")).await.unwrap().is_some());
    two.remove_query(&key("v"), &two.names().list_ref()).await.unwrap();
    assert_eq!(edges(&two, "v").await, 0);
    one.remove_query(&key("v"), &one.names().list_ref()).await.unwrap();
}

/// Catches a store that lets a transaction commit that has read an epoch which another one ends meanwhile.
#[tokio::test]
async fn of_a_write_and_the_end_of_its_epoch_one_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_in(folder.path());
    let scheduler = server.installed().await;
    run(&server.client().await, "FOR $n IN 0..400 { CREATE type::record('person', $n) }").await;
    for round in 0..10 {
        let db = server.connect().await;
        let epoch = scheduler.enlist("one", "http://here").await.unwrap();
        db.set_fence(Some(Fence { member: "one".to_owned(), epoch }));
        let name = format!("v{round}");
        db.register_query(&view(&name, Duration::from_secs(60)), RefMode::Dedicated).await.unwrap();
        let writing = async {
            let mut written = 0;
            loop {
                match db.write(&put(&db, &name, written)).await {
                    Ok(()) => written += 1,
                    Err(Error::Fenced { .. }) => return written,
                    Err(error) => panic!("{error}"),
                }
            }
        };
        let ending = async {
            tokio::time::sleep(Duration::from_millis(20 + 3 * round)).await;
            scheduler.fence_off("one", epoch).await.unwrap();
            edges(&scheduler, &name).await
        };
        let (written, there) = tokio::join!(writing, ending);
        assert!(written > 0);
        assert_eq!(edges(&scheduler, &name).await, there, "nothing came after the end, of {written}");
    }
}

#[tokio::test]
async fn a_view_is_noted_for_the_sidecar_that_keeps_it() {
    let server = Server::start();
    let (scheduler, one, two) = (server.installed().await, server.connect().await, server.connect().await);
    for (db, name) in [(&one, "one"), (&two, "two")] {
        let epoch = scheduler.enlist(name, "http://here").await.unwrap();
        db.set_fence(Some(Fence { member: name.to_owned(), epoch }));
    }
    scheduler.register_query(&view("free", Duration::from_secs(60)), RefMode::Dedicated).await.unwrap();
    one.register_query(&view("brief", Duration::ZERO), RefMode::Dedicated).await.unwrap();
    one.register_query(&view("kept", Duration::from_secs(60)), RefMode::Dedicated).await.unwrap();
    let owner = |name: &str| Some(name.to_owned());
    let owners = || async {
        let mut owners = scheduler.owners().await.unwrap();
        owners.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
        owners
    };
    assert_eq!(owners().await, [(key("brief"), owner("one")), (key("free"), None), (key("kept"), owner("one"))]);

    assert_eq!(two.overdue_queries().await.unwrap(), [], "it has expired, and is another's");
    assert_eq!(one.overdue_queries().await.unwrap(), [key("brief")]);
    assert_eq!(one.expire_queries(&[key("brief"), key("kept")]).await.unwrap(), [key("brief")]);

    let epoch = two.fence().unwrap().epoch;
    let taken = two.take_over_queries(&[key("free"), key("kept"), key("brief")], epoch).await.unwrap();
    let mut taken: Vec<_> = taken.into_iter().map(|query| query.row.key.to_string()).collect();
    taken.sort();
    assert_eq!(taken, ["free", "kept"]);
    assert_eq!(owners().await, [(key("free"), owner("two")), (key("kept"), owner("two"))]);
}
