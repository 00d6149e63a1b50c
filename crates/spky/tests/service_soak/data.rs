//! What the application keeps, and how it changes: people write posts and comments, and like them. Beside these are the tables of
//! the oracle, of which every field may hold anything.

use crate::support::Random;
use crate::writes;

pub const SCHEMA: &str = "
    DEFINE TABLE thread SCHEMALESS;
    DEFINE TABLE user SCHEMALESS;
    DEFINE TABLE barrier SCHEMALESS;
    DEFINE TABLE org SCHEMALESS;
    DEFINE TABLE person SCHEMALESS;
    DEFINE TABLE post SCHEMALESS;
    DEFINE TABLE comment SCHEMALESS;
    DEFINE TABLE likes TYPE RELATION SCHEMALESS;
    -- For SurrealDB's own answers, which would take minutes otherwise.
    DEFINE INDEX by_author ON post FIELDS author;
    DEFINE INDEX by_editor ON post FIELDS editor;
    DEFINE INDEX by_title ON post FIELDS title;
    DEFINE INDEX by_views ON post FIELDS views;
    DEFINE INDEX by_post ON comment FIELDS post;
    DEFINE INDEX by_author ON comment FIELDS author;
    DEFINE INDEX by_org ON person FIELDS org;
    DEFINE INDEX by_in ON likes FIELDS in;
";

/// How many records there are at most. Ids are used again, so neither rows nor versions grow without bound.
#[derive(Clone)]
pub struct Sizes {
    pub orgs: u64,
    pub people: u64,
    pub posts: u64,
    pub comments: u64,
    pub likes: u64,
    pub words: u64,
}

impl Sizes {
    /// As much data as gives each of so many views some rows, and each row some views.
    pub fn of(views: u64) -> Sizes {
        let people = (views / 25).clamp(20, 2_000);
        Sizes { orgs: people / 8, people, posts: people * 2, comments: people * 4, likes: people * 2, words: people }
    }
}

const ROWS_AT_ONCE: u64 = 100;

/// Statements that make the first records.
pub fn initial(sizes: &Sizes, random: &mut Random) -> Vec<String> {
    let mut statements: Vec<String> =
        (0..sizes.orgs).map(|org| format!("UPSERT org:{org} SET name = 'org{org}'")).collect();
    statements
        .extend((0..sizes.people).map(|person| format!("UPSERT person:{person} CONTENT {}", person_of(sizes, random))));
    statements.extend((0..sizes.posts).map(|post| format!("UPSERT post:{post} CONTENT {}", post_of(sizes, random))));
    let comments = 0..sizes.comments;
    statements
        .extend(comments.map(|comment| format!("UPSERT comment:{comment} CONTENT {}", comment_of(sizes, random))));
    statements.extend((0..sizes.likes).map(|number| like(number, sizes, random)));
    statements.chunks(ROWS_AT_ONCE as usize).map(|chunk| format!("BEGIN;{};COMMIT;", chunk.join(";"))).collect()
}

/// A random write. Some are aborted on purpose.
pub fn write(sizes: &Sizes, random: &mut Random) -> String {
    let (post, comment) = (random.below(sizes.posts), random.below(sizes.comments));
    match random.below(39) {
        0..=7 => format!("UPDATE post:{post} SET views = {}", random.below(VIEWS)),
        8..=10 => format!("UPDATE post:{post} SET status = {}", status(random)),
        11..=13 => format!("UPDATE post:{post} SET priority = {}", random.below(PRIORITIES)),
        14 | 15 => format!("UPDATE post:{post} SET tags = {}", tags(sizes, random)),
        16..=19 => format!("UPSERT post:{post} CONTENT {}", post_of(sizes, random)),
        20 => format!("DELETE post:{post}"),
        21..=25 => format!("UPSERT comment:{comment} CONTENT {}", comment_of(sizes, random)),
        26 | 27 => format!("DELETE comment:{comment}"),
        28 => format!("UPSERT person:{} CONTENT {}", random.below(sizes.people), person_of(sizes, random)),
        29 => format!("UPDATE person:{} SET level = {}", random.below(sizes.people), random.below(LEVELS)),
        30 if random.below(4) == 0 => format!("DELETE person:{}", random.below(sizes.people)),
        30 | 31 => format!("DELETE likes:{}", random.below(sizes.likes)),
        32..=34 => format!("BEGIN; {}; COMMIT", like(random.below(sizes.likes), sizes, random)),
        35 | 36 => {
            let other = random.below(sizes.posts);
            format!(
                "BEGIN; UPDATE post:{post} SET status = {}; UPSERT post:{other} CONTENT {}; DELETE comment:{comment}; COMMIT",
                status(random),
                post_of(sizes, random)
            )
        }
        37 => format!(
            "BEGIN; UPDATE post:{post} SET priority = 100; DELETE comment:{comment}; THROW 'never mind'; COMMIT"
        ),
        // Each of these concerns a hundred views, and some of them all rows.
        _ => {
            let mut of_oracle = writes::round(random);
            of_oracle.swap_remove(random.below(of_oracle.len() as u64) as usize).surql
        }
    }
}

/// The values that `views`, `priority` and `level` may have.
pub const VIEWS: u64 = 10_000;
pub const PRIORITIES: u64 = 8;
pub const LEVELS: u64 = 10;
/// The moments that `at` may be, in days.
const DAYS: u64 = 365;

fn status(random: &mut Random) -> &'static str {
    random.pick(&["'open'", "'closed'", "'held'"])
}

fn tags(sizes: &Sizes, random: &mut Random) -> String {
    format!("['w{}', 'w{}']", random.below(sizes.words), random.below(sizes.words))
}

fn at(random: &mut Random) -> String {
    format!("time::from_unix({})", 1_700_000_000 + random.below(DAYS) * 86_400)
}

fn post_of(sizes: &Sizes, random: &mut Random) -> String {
    let (author, editor) = (random.below(sizes.people), random.below(sizes.people));
    let (status, priority, views) = (status(random), random.below(PRIORITIES), random.below(VIEWS));
    let (title, tags, at) = (random.below(sizes.posts), tags(sizes, random), at(random));
    format!(
        "{{ author: person:{author}, editor: person:{editor}, status: {status}, priority: {priority}, views: {views}, \
         title: 't{title}', tags: {tags}, at: {at} }}"
    )
}

fn comment_of(sizes: &Sizes, random: &mut Random) -> String {
    let (post, author, at) = (random.below(sizes.posts), random.below(sizes.people), at(random));
    format!("{{ post: post:{post}, author: person:{author}, at: {at}, text: 'some text' }}")
}

fn person_of(sizes: &Sizes, random: &mut Random) -> String {
    let (name, org, level) = (random.below(sizes.people), random.below(sizes.orgs), random.below(LEVELS));
    format!("{{ name: 'n{name}', org: org:{org}, level: {level} }}")
}

fn like(number: u64, sizes: &Sizes, random: &mut Random) -> String {
    let (person, post) = (random.below(sizes.people), random.below(sizes.posts));
    format!("DELETE likes:{number}; RELATE person:{person}->likes:{number}->post:{post}")
}
