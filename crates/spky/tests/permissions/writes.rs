//! Random writes, as the application does them.

use super::queries::record;
use super::schema::USERS;
use crate::support::Random;

/// Some statements.
pub fn draw(random: &mut Random) -> String {
    let mut statements = Vec::new();
    for _ in 0..=random.below(3) {
        statements.push(statement(random));
    }
    statements.join("; ")
}

fn statement(random: &mut Random) -> String {
    let id = record(random);
    let may_go = !USERS.iter().any(|name| id == format!("user:{name}"));
    match random.below(12) {
        0 | 1 if may_go => format!("DELETE {id}"),
        0..=5 => format!("UPSERT {id} SET {}", fields(random)),
        6 => {
            let user = random.pick(USERS);
            format!("UPDATE user:{user} SET {}", fields(random))
        }
        7 => format!("UPDATE {id} UNSET {}", random.pick(&["n", "pub", "owner", "link", "links", "o"])),
        8 => format!("UPSERT grant:{} SET who = user:{}, item = {id}", random.below(6), random.pick(USERS)),
        9 => {
            let (edge, user) = (random.below(6), random.pick(USERS));
            format!(
                "DELETE member:{edge}; RELATE user:{user}->member:{edge}->org:{} SET {}",
                random.below(3),
                fields(random)
            )
        }
        10 => {
            let edge = random.below(8);
            let (from, to) = (record(random), record(random));
            format!("DELETE likes:{edge}; RELATE {from}->likes:{edge}->{to} SET {}", fields(random))
        }
        _ => format!("DELETE likes:{}", random.below(8)),
    }
}

fn fields(random: &mut Random) -> String {
    let mut fields = Vec::new();
    for _ in 0..=random.below(4) {
        let user = random.pick(USERS);
        let number = random.below(4);
        fields.push(match random.below(11) {
            0 | 1 => format!("n = {number}"),
            2 | 3 => format!("pub = {}", number > 1),
            4 => format!("owner = user:{user}"),
            5 => format!("link = {}", record(random)),
            6 => format!("links = [{}, {}]", record(random), record(random)),
            7 => format!("org = org:{}", number.min(2)),
            8 => format!(
                "s = '{}', tags = {}",
                random.pick(&["a", "b", "c"]),
                random.pick(&["[]", "['x']", "['y', 'z']"])
            ),
            9 => format!("o = {{ city: '{}', link: {} }}", random.pick(&["A", "B"]), record(random)),
            _ => format!("link = user:{user}"),
        });
    }
    fields.join(", ")
}
