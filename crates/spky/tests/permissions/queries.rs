//! Queries of every feature that reads records, over tables that are drawn.

use super::schema::{TABLES, USERS};
use crate::support::Random;

/// `{t}` and `{u}` are tables, `{r}` and `{q}` records, `{i}` a small number, `{w}` a condition.
const QUERIES: &[&str] = &[
    "SELECT * FROM {t}",
    "SELECT * FROM {t} WHERE {w}",
    "SELECT * FROM {t} WHERE {w}",
    "SELECT * FROM {t} WHERE {w} AND {w}",
    "SELECT * FROM {t} WHERE {w} OR {w}",
    "SELECT VALUE id FROM {t} WHERE {w} LIMIT {i}",
    "SELECT id, n FROM {t} WHERE {w} ORDER BY n DESC, id LIMIT 3",
    "SELECT id, n, pub FROM {t} ORDER BY n, id START {i} LIMIT 3",
    "SELECT id FROM {t} ORDER BY id DESC START {i} LIMIT 2",
    "SELECT id, link.n AS k FROM {t} ORDER BY k DESC, id LIMIT 3",
    "SELECT id, owner.name AS k, owner.org.n FROM {t} ORDER BY k, id START 1 LIMIT 3",
    "SELECT id, link, link.n, link.link.n, link.owner.name, links.n, o.link.n FROM {t}",
    "SELECT link.*, links.* FROM {t}",
    "SELECT link.{id, n, pub} AS x, links[WHERE n > 0] AS y, links[0].n AS z FROM {t}",
    "SELECT VALUE link.links.n FROM {t}",
    "SELECT VALUE [n, link.n, $auth.n] FROM {t} WHERE {w}",
    "SELECT $auth, $auth.name, $auth.org.n AS m, $access FROM {t}",
    "SELECT count() FROM {t} GROUP ALL",
    "SELECT count() FROM {t} WHERE {w} GROUP ALL",
    "SELECT count() FROM {t}:1..4 GROUP ALL",
    "SELECT count() FROM {r} GROUP ALL",
    "SELECT math::sum(n ?? 0) AS sum, count() FROM {t} GROUP ALL",
    "SELECT n, count() FROM {t} GROUP BY n",
    "SELECT pub, count(), array::group(id) AS ids FROM {t} GROUP BY pub",
    "SELECT link.n AS k, count() FROM {t} GROUP BY k ORDER BY k",
    "SELECT owner.org AS k, array::group(link.n) AS ns FROM {t} WHERE {w} GROUP BY k ORDER BY k LIMIT 2",
    "SELECT id, (SELECT id, n FROM {u} WHERE owner = $parent.owner ORDER BY id) AS x FROM {t}",
    "SELECT id, (SELECT id, n FROM {u} WHERE n = $parent.n ORDER BY id LIMIT 2) AS x FROM {t} WHERE {w}",
    "SELECT id, (SELECT VALUE id FROM {u} WHERE n = $parent.link.n ORDER BY id) AS x FROM {t}",
    "SELECT id, (SELECT VALUE link.n FROM {u} WHERE link = $parent.id ORDER BY id) AS x FROM {t}",
    "SELECT id, (SELECT count() FROM {u} WHERE owner = $parent.owner GROUP ALL)[0].count AS c FROM {t}",
    "SELECT id, (SELECT id, $auth.name AS a, $auth.org.n AS b, link.n AS c FROM {u} WHERE n = $parent.n ORDER BY id) AS x \
     FROM {t}",
    "SELECT id, (SELECT $parent.link.n AS a, $parent.link.link.n AS b, $parent.links.n AS c FROM {u} LIMIT 1) AS x FROM {t}",
    "SELECT id, (SELECT $parent.link->likes->post.n AS a, $parent.link.link->likes AS b FROM {u} LIMIT 1) AS x FROM {t}",
    "SELECT id, (SELECT VALUE id FROM {u} WHERE link.n = $parent.link.n AND owner.name = $auth.name ORDER BY id) AS x \
     FROM {t}",
    "SELECT id, (SELECT id, (SELECT VALUE n FROM {t} WHERE link = $parent.link AND {w} ORDER BY id) AS y FROM {u} \
     WHERE owner = $parent.owner ORDER BY id) AS x FROM {t}",
    "SELECT id, (SELECT id FROM $parent.link.links) AS x, (SELECT VALUE n FROM $parent.link.link) AS y FROM {t}",
    "SELECT id, (SELECT id, link.n FROM {u} WHERE link.owner = $auth ORDER BY link.n, id LIMIT 2) AS x FROM {t}",
    "SELECT * FROM {t} WHERE owner IN (SELECT VALUE owner FROM {u} WHERE {w})",
    "SELECT * FROM {t} WHERE id IN (SELECT VALUE link FROM {u})",
    "SELECT * FROM {t} WHERE n IN (SELECT VALUE link.n FROM {u})",
    "SELECT * FROM {t} WHERE (SELECT VALUE id FROM {u} WHERE n = $parent.n) != []",
    "SELECT *, (SELECT VALUE n FROM {u} ORDER BY id)[0] AS first FROM {t}",
    "SELECT id, ->likes AS l, ->likes->post AS p, ->likes->? AS a, <-likes AS b, <-likes<-user AS f FROM {t}",
    "SELECT id, ->likes.n AS l, ->likes->post.n AS p, ->likes->(post WHERE {w}) AS q FROM {t}",
    "SELECT id, ->(likes WHERE n > 0)->post AS l, <->likes AS p, ->likes->post->likes->? AS q FROM user",
    "SELECT id, ->likes.* AS l, ->likes->post.{id, n} AS p, ->member->org.n AS q FROM user",
    "SELECT id, ->likes->post<-likes<-user AS u, ->member->org<-member<-user.name AS v FROM user",
    "SELECT id, in, out, in.name, out.n FROM likes",
    "SELECT id FROM {t} WHERE ->likes->post.n CONTAINS {i}",
    "SELECT id FROM {t} WHERE count(<-likes) > 1",
    "SELECT id FROM {t} WHERE $auth IN <-likes<-user",
    "SELECT id, count(->likes) AS c FROM {t} ORDER BY c DESC, id LIMIT 3",
    "SELECT * FROM {t} FETCH link",
    "SELECT id, link, links, o, owner FROM {t} FETCH link, links, o.link, owner.org",
    "SELECT id, ->likes->post AS p FROM user FETCH p",
    "SELECT id, link AS l FROM {t} WHERE {w} FETCH l.link",
    "SELECT * FROM {r}",
    "SELECT * FROM {r}, {q}",
    "SELECT * FROM [{r}, {q}, {t}:3]",
    "SELECT * FROM ONLY {r}",
    "SELECT VALUE n FROM ONLY {r}",
    "SELECT * FROM {t}:2..5",
    "SELECT * FROM {t}:2..=4 WHERE {w}",
    "SELECT * FROM {t} WHERE id = {r}",
    "SELECT * FROM {t} WHERE id IN [{r}, {q}]",
    "SELECT * FROM {t}, {u} WHERE {w}",
    "SELECT id, name FROM $auth",
    "SELECT id, n FROM $auth.links",
    "SELECT * FROM {r}.link",
    "SELECT id, n FROM {r}.links WHERE {w}",
    "SELECT id, n FROM {r}->likes->post",
    "SELECT id, (SELECT id, n FROM $parent.links) AS x FROM {t}",
    "SELECT id, (SELECT VALUE id FROM ->likes->post) AS x FROM {t}",
    "SELECT id, (SELECT id FROM $parent->likes->post WHERE n > 0) AS x FROM user",
    "SELECT * FROM (SELECT * FROM {t} WHERE {w}) WHERE {w}",
    "SELECT id, link.n FROM (SELECT * FROM {t} ORDER BY n, id LIMIT 4)",
    "SELECT * FROM (SELECT VALUE link FROM {t} WHERE link != NONE)",
    "SELECT n FROM (SELECT VALUE link FROM {t} WHERE link != NONE)",
    "SELECT VALUE n FROM (SELECT VALUE link FROM {t})",
    "SELECT * FROM {t} SPLIT links",
    "SELECT id, links FROM {t} SPLIT links ORDER BY id LIMIT 4",
    "SELECT * OMIT n FROM {t}",
    "SELECT *, n AS m FROM {t}",
    "SELECT n, s, pub, link, o FROM {t}",
    "SELECT id FROM {t} ORDER BY n, id",
    "SELECT id, (links ?? []).map(|$x| $x.n) AS e FROM {t}",
    "SELECT id, IF link.pub THEN link.n ELSE 0 END AS e FROM {t}",
    "SELECT id, $this.link.n AS e, type::is_none(link.id) AS f FROM {t}",
];

const CONDITIONS: &[&str] = &[
    "n > {i}",
    "n = {i}",
    "n < {i}",
    "n = NONE",
    "pub",
    "!pub",
    "pub = NONE",
    "owner = $auth",
    "owner = $auth.id",
    "owner != $auth",
    "owner.name = 'ada'",
    "owner.org = $auth.org",
    "owner.org.n > {i}",
    "link.n = {i}",
    "link.n > {i}",
    "link.pub",
    "link.n = NONE",
    "link.id = NONE",
    "link.id = link",
    "link.link.n >= {i}",
    "link.owner = $auth",
    "link = {r}",
    "links.n CONTAINS {i}",
    "links CONTAINS {r}",
    "links.pub CONTAINSANY [true]",
    "n = $auth.n",
    "n <= $auth.org.n",
    "org IN $auth->member->org",
    "o.city = 'B'",
    "o.link.n > {i}",
    "s = 'a'",
    "s IN ['a', 'b'] AND link.s = 'a'",
    "{r}.n = {i}",
    "string::len(link.s ?? '') > 0",
];

/// One query.
pub fn draw(random: &mut Random) -> String {
    let mut text = random.pick(QUERIES).to_owned();
    while let Some(place) = text.find("{w}") {
        text.replace_range(place..place + 3, random.pick(CONDITIONS));
    }
    let table = random.pick(TABLES);
    text = text.replace("{t}", table).replace("{u}", random.pick(TABLES));
    text = text.replace("{r}", &record_of(random, table)).replace("{q}", &record(random));
    text.replace("{i}", &random.below(4).to_string())
}

/// The id of a record that there may be.
pub fn record(random: &mut Random) -> String {
    let table = random.pick(TABLES);
    record_of(random, table)
}

fn record_of(random: &mut Random, table: &str) -> String {
    match (table, random.below(3)) {
        ("user", 0 | 1) => format!("user:{}", random.pick(USERS)),
        _ => format!("{table}:{}", random.below(6)),
    }
}
