//! What users write, and what they get: precedence, older names, and errors that lead to the mistake.

use std::time::Duration;

use config::{Capture, Config, Error, JobMode, Loaded, Notice, Origin, RefMode, SETTINGS, Setting, Sources};
use tempfile::TempDir;

fn directory(file: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("sp00ky.yml"), file).unwrap();
    directory
}

fn load(file: &str) -> Result<Loaded, Error> {
    Config::load(&Sources::from_directory(directory(file).path()))
}

/// The error's text without the directory, which changes from run to run.
fn error(file: &str) -> String {
    let directory = directory(file);
    let error = Config::load(&Sources::from_directory(directory.path())).unwrap_err();
    error.to_string().replace(&format!("{}/", directory.path().display()), "")
}

#[test]
fn nothing_set_gives_the_documented_defaults() {
    let directory = tempfile::tempdir().unwrap();
    let loaded = Config::load(&Sources::from_directory(directory.path())).unwrap();
    let config = loaded.config;
    assert_eq!(config.ssp.listen_addr.to_string(), "0.0.0.0:8667");
    assert_eq!(config.database.url.endpoint(), "ws://127.0.0.1:8000");
    assert_eq!((config.database.username.as_str(), config.database.password.expose()), ("root", "root"));
    assert_eq!((config.database.namespace.as_str(), config.database.name.as_str()), ("test", "test"));
    assert_eq!(config.ssp.capture, Capture::Feed);
    assert_eq!(config.ssp.ref_mode, RefMode::Dedicated);
    assert_eq!(config.ssp.query_update_throttle, Duration::from_millis(100));
    assert_eq!(config.ssp.bootstrap_page_size.get(), 1000);
    assert!(config.ssp.id.starts_with("ssp-") && config.scheduler.id.starts_with("scheduler-"));
    assert!(config.auth_secret.is_none() && config.job_tables.is_empty());
    assert!(loaded.notices.is_empty() && loaded.file.is_none());
}

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    let directory = directory("db_ns: file\ndb_name: file\ndb_user: file\n");
    let sources = Sources::from_directory(directory.path())
        .variable("SPKY_DB_NS", "variable")
        .variable("SPKY_DB_NAME", "variable")
        .flag(Setting::DbNs, "--ns", Some("flag"));
    let config = Config::load(&sources).unwrap().config;
    assert_eq!(config.database.namespace, "flag");
    assert_eq!(config.database.name, "variable");
    assert_eq!(config.database.username, "file");
    assert_eq!(config.database.password.expose(), "root");
    assert_eq!(*config.origin(Setting::DbNs), Origin::Flag("--ns"));
    assert_eq!(*config.origin(Setting::DbName), Origin::Variable("SPKY_DB_NAME"));
    assert!(matches!(config.origin(Setting::DbUser), Origin::File { line: 3, .. }));
    assert!(config.is_default(Setting::DbPass));
}

/// A good value of a setting that has no default.
fn sample(setting: Setting) -> &'static str {
    if setting == Setting::SpiTrustedProxies { "10.0.0.1" } else { "name" }
}

/// A row of the table that is read under another name than it promises would pass every other test.
#[test]
fn every_variable_of_the_table_is_read() {
    for spec in SETTINGS {
        for (name, older) in spec.env.iter().map(|n| (n, false)).chain(spec.older_env.iter().map(|n| (n, true))) {
            let value = spec.default.unwrap_or_else(|| sample(spec.setting));
            let loaded = Config::load(&Sources::from_directory("nowhere").variable(*name, value)).unwrap();
            assert_eq!(*loaded.config.origin(spec.setting), Origin::Variable(name));
            let expected =
                older.then(|| Notice::Deprecated { name: name.to_string(), instead: spec.env[0], ignored: false });
            assert_eq!(loaded.notices, Vec::from_iter(expected), "{name}");
        }
    }
}

#[test]
fn every_key_of_the_table_is_read() {
    for spec in SETTINGS {
        for key in std::iter::once(&spec.key).chain(spec.also_key) {
            let loaded =
                load(&format!("{key}: \"{}\"\n", spec.default.unwrap_or_else(|| sample(spec.setting)))).unwrap();
            assert!(matches!(loaded.config.origin(spec.setting), Origin::File { line: 1, .. }), "{key}");
        }
    }
}

#[test]
fn canonical_variable_beats_the_older_one_which_is_still_reported() {
    let sources = Sources::from_directory("nowhere").variable("SURREALDB_NS", "older").variable("SPKY_DB_NS", "newer");
    let loaded = Config::load(&sources).unwrap();
    assert_eq!(loaded.config.database.namespace, "newer");
    let texts: Vec<String> = loaded.notices.iter().map(Notice::to_string).collect();
    assert_eq!(texts, ["SURREALDB_NS is deprecated, and ignored because SPKY_DB_NS is set"]);
}

#[test]
fn older_file_name_and_older_path_variable_work_and_are_reported() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("spooky.yml"), "db_ns: older\n").unwrap();
    let loaded = Config::load(&Sources::from_directory(directory.path())).unwrap();
    assert_eq!(loaded.config.database.namespace, "older");
    assert_eq!(loaded.notices[0].to_string(), "spooky.yml is deprecated, use sp00ky.yml");

    std::fs::write(directory.path().join("other.yml"), "db_ns: other\n").unwrap();
    let sources = Sources::from_directory(directory.path()).variable("SPOOKY_CONFIG_PATH", "other.yml");
    let loaded = Config::load(&sources).unwrap();
    assert_eq!(loaded.config.database.namespace, "other");
    assert_eq!(loaded.notices[0].to_string(), "SPOOKY_CONFIG_PATH is deprecated, use SPKY_CONFIG_PATH");
}

#[test]
fn a_named_file_that_is_missing_is_an_error() {
    let sources = Sources::from_directory("nowhere").variable("SPKY_CONFIG_PATH", "a.yml");
    let error = Config::load(&sources).unwrap_err().to_string();
    assert_eq!(error, "SPKY_CONFIG_PATH: there is no file nowhere/a.yml");
    let sources = Sources::from_directory("nowhere").file(Some("b.yml".into()));
    let error = Config::load(&sources).unwrap_err().to_string();
    assert!(error.starts_with("can't read b.yml: "), "{error}");
}

#[test]
fn unknown_keys_name_their_line_and_the_nearest_known_key() {
    let text = error(
        "db_ns: a\ndb_nme: b\n\nlisten_addr: 127.0.0.1:1\njob_tables:\n  mail:\n    base_url: http://a\n    tiemout: 3s\n",
    );
    assert_eq!(
        text.lines().collect::<Vec<_>>(),
        [
            "sp00ky.yml:2: unknown key `db_nme`, the nearest known one is `db_name`",
            "sp00ky.yml:4: unknown key `listen_addr`, the nearest known one is `ssp_listen_addr`",
            "sp00ky.yml:8: unknown key `tiemout`, the nearest known one is `timeout`",
        ]
    );
}

#[test]
fn bad_values_name_where_they_came_from() {
    let directory = directory("capture: poll\nssp_listen_addr: 8667\n");
    let sources = Sources::from_directory(directory.path()).variable("SPKY_SSP_BOOTSTRAP_PAGE_SIZE", "0").flag(
        Setting::SspRefMode,
        "--ref-mode",
        Some("double"),
    );
    let text = Config::load(&sources).unwrap_err().to_string();
    let text = text.replace(&format!("{}/", directory.path().display()), "");
    assert_eq!(
        text.lines().collect::<Vec<_>>(),
        [
            "sp00ky.yml:2: ssp_listen_addr: expected an IP address and a port such as `127.0.0.1:8667`, got `8667`",
            "sp00ky.yml:1: capture: expected `feed` or `push`, got `poll`",
            "--ref-mode: expected `dedicated` or `single`, got `double`",
            "SPKY_SSP_BOOTSTRAP_PAGE_SIZE: expected a whole number above 0, got `0`",
        ]
    );
}

#[test]
fn a_setting_given_under_two_keys_is_an_error() {
    assert_eq!(
        error("ref_mode: single\nrefMode: single\n"),
        "sp00ky.yml:2: `refMode` sets `ssp_ref_mode` a second time"
    );
    assert!(error("db_ns: a\ndb_ns: b\n").starts_with("sp00ky.yml:2: "));
}

#[test]
fn a_value_of_the_wrong_shape_and_broken_yaml_name_the_line() {
    for (file, line) in
        [("db_ns: a\ndb_name: {a: 1}\n", 2), ("db_ns: a\n  b: [\n", 2), ("- a\n", 1), ("job_tables:\n  mail: 3\n", 2)]
    {
        let text = error(file);
        assert!(text.starts_with(&format!("sp00ky.yml:{line}: ")), "{file:?}: {text}");
    }
}

/// An error or a debug print is what ends up in logs.
#[test]
fn secrets_are_never_shown() {
    let file = "auth_secret: hunter2\ndb_pass: hunter2\njob_tables:\n  mail:\n    base_url: http://a\n    auth_token: hunter2\n";
    let config = load(file).unwrap().config;
    assert_eq!(config.auth_secret.as_ref().unwrap().expose(), "hunter2");
    assert!(!format!("{config:?} {}", config.database.password).contains("hunter2"));

    for broken in [
        "auth_secret: hunter2\n  x: [\n",
        "auth_secret: [hunter2, {a: b}]\n",
        "auth_secret: {hunter2: a}\n",
        "auth_secret: \"hunter2\n",
        "db_url: ws://root:hunter2@127.0.0.1:8000\n",
        "auth_secret: hunter2\nauth_secret: hunter2\n",
    ] {
        let text = error(broken);
        assert!(!text.contains("hunter2"), "{broken:?}: {text}");
    }
}

/// YAML would make a number, a boolean or null of these.
#[test]
fn scalars_are_read_as_they_are_written() {
    for text in ["0123", "1e3", "yes", "true", "0x1F", "1_000", "~x"] {
        let config = load(&format!("db_pass: {text}\n")).unwrap().config;
        assert_eq!(config.database.password.expose(), text);
    }
}

#[test]
fn empty_means_not_set() {
    let directory = directory("auth_secret:\ndb_ns: ~\ndb_name: \"\"\njob_tables:\n");
    let sources = Sources::from_directory(directory.path()).variable("SPKY_DB_USER", "");
    let config = Config::load(&sources).unwrap().config;
    assert!(config.auth_secret.is_none());
    for setting in [Setting::AuthSecret, Setting::DbNs, Setting::DbName, Setting::DbUser] {
        assert!(config.is_default(setting), "{setting:?}");
    }
    for file in ["", "# nothing\n", "---\n"] {
        assert!(load(file).is_ok(), "{file:?}");
    }
}

#[test]
fn database_addresses_are_accepted_in_every_documented_form() {
    for (given, endpoint) in [
        ("127.0.0.1:8000", "ws://127.0.0.1:8000"),
        ("http://localhost:8666", "ws://localhost:8666"),
        ("https://db.example.com", "wss://db.example.com"),
        ("ws://surrealdb:8000/rpc", "ws://surrealdb:8000"),
        ("wss://surrealdb:8000/rpc/", "wss://surrealdb:8000"),
        ("ws://gateway/surreal/rpc", "ws://gateway/surreal"),
        ("[::1]:8000", "ws://[::1]:8000"),
        ("surrealdb", "ws://surrealdb:8000"),
    ] {
        let sources = Sources::from_directory("nowhere").variable("SPKY_DB_URL", given);
        assert_eq!(Config::load(&sources).unwrap().config.database.url.endpoint(), endpoint);
    }
    for given in ["ftp://a:1", "ws://", "ws://a:99999", "ws://a?b", "a b"] {
        let sources = Sources::from_directory("nowhere").variable("SPKY_DB_URL", given);
        assert!(Config::load(&sources).is_err(), "{given}");
    }
}

#[test]
fn schedules_are_typed_and_checked() {
    let schedule =
        |text: &str| format!("job_tables:\n  mail:\n    base_url: http://a\n    schedule:\n      digest:\n{text}");
    let file = schedule(
        "        cron: \"30 7 * * MON-FRI\"\n        time_zone: Europe/Berlin\n        path: /digest\n        \
         payload: { to: [1, true, \"07\"], n: 1.5, text: 07a }\n        max_retries: 5\n        retry_strategy: linear\n        \
         timeout: 2m\n",
    );
    let loaded = load(&file).unwrap();
    let [schedule_read] = &loaded.config.job_tables["mail"].schedules[..] else { panic!("one schedule") };
    assert_eq!((schedule_read.name.as_str(), schedule_read.path.as_str()), ("digest", "/digest"));
    assert_eq!(schedule_read.time_zone.iana_name(), Some("Europe/Berlin"));
    assert_eq!(schedule_read.payload.as_ref().unwrap().to_string(), r#"{"n":1.5,"text":"07a","to":[1,true,"07"]}"#);
    assert_eq!((schedule_read.max_retries, schedule_read.retry_strategy.as_deref()), (Some(5), Some("linear")));

    let minimal = "        cron: \"* * * * *\"\n        path: /x\n";
    assert_eq!(
        load(&schedule(minimal)).unwrap().config.job_tables["mail"].schedules[0].time_zone.iana_name(),
        Some("UTC")
    );
    for (text, expected) in [
        ("        path: /x\n", "sp00ky.yml:5: job_tables.mail.schedule.digest: `cron` is missing"),
        ("        cron: \"* * * * *\"\n", "sp00ky.yml:5: job_tables.mail.schedule.digest: `path` is missing"),
        ("        path: /x\n        corn: a\n", "sp00ky.yml:7: unknown key `corn`, the nearest known one is `cron`"),
    ] {
        assert!(error(&schedule(text)).contains(expected), "{text}: {}", error(&schedule(text)));
    }
    for bad in [
        "cron: \"61 * * * *\"",
        "cron: \"* * *\"",
        "cron: \"0 0 30 2 *\"",
        "time_zone: Europe/Nowhere",
        "path: x",
        "max_retries: 101",
        "max_retries: -1",
        "retry_strategy: never",
        "timeout: 0",
    ] {
        let key = bad.split(':').next().unwrap();
        let rest: String = minimal.lines().filter(|line| !line.contains(key)).map(|line| format!("{line}\n")).collect();
        let refusal = error(&schedule(&format!("{rest}        {bad}\n")));
        assert!(refusal.contains(&format!("job_tables.mail.schedule.digest.{key}: expected")), "{bad}: {refusal}");
    }
}

#[test]
fn job_tables_are_typed() {
    let file = "job_tables:\n  backend_api:\n    name: Backend API\n    base_url: https://api.example.com\n    \
                auth_token: token\n    timeout: 1m 30s\n    timeout_overridable: true\n    mode: callback\n  mail:\n    base_url: http://mail:80\n";
    let tables = load(file).unwrap().config.job_tables;
    let backend = &tables["backend_api"];
    assert_eq!((backend.name.as_str(), backend.base_url.as_str()), ("Backend API", "https://api.example.com/"));
    assert_eq!((backend.timeout, backend.timeout_overridable), (Some(Duration::from_secs(90)), true));
    assert_eq!((backend.mode, tables["mail"].mode), (JobMode::Callback, JobMode::Request));
    assert_eq!(tables["mail"].name, "mail");

    assert_eq!(error("job_tables:\n  mail:\n    name: a\n"), "sp00ky.yml:2: job_tables.mail: `base_url` is missing");
    let own = error("job_tables:\n  _00_query:\n    base_url: http://a\n");
    assert_eq!(own, "sp00ky.yml:2: job_tables._00_query: a job table can't be one of Sp00ky's own tables");
    let tuned =
        load("job_tables:\n  mail:\n    base_url: http://a\n    concurrency: 4\n    retry_delay: 250ms\n").unwrap();
    let mail = &tuned.config.job_tables["mail"];
    assert_eq!((mail.concurrency.unwrap().get(), mail.retry_delay.unwrap().as_millis()), (4, 250));
    assert!(
        error("job_tables:\n  mail:\n    base_url: http://a\n    concurrency: 0\n").contains("concurrency: expected")
    );
    assert_eq!(
        error("job_tables:\n  mail:\n    base_url: http://a\n    mode: later\n"),
        "sp00ky.yml:4: job_tables.mail.mode: expected `request` or `callback`, got `later`"
    );
}

#[test]
fn networks_may_be_a_list_or_one_text() {
    for file in
        ["spi_allow: [10.0.0.0/8, \"::1\"]\n", "spi_allow: 10.0.0.0/8, ::1\n", "spi_allow:\n  - 10.0.0.0/8\n  - ::1\n"]
    {
        let allow = load(file).unwrap().config.spi.allow;
        let texts: Vec<String> = allow.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["10.0.0.0/8", "::1/128"]);
    }
}

#[test]
fn a_mistyped_variable_is_noticed_and_a_foreign_one_is_not() {
    let sources = Sources::from_directory("nowhere").variable("SPKY_AUTH_SECERT", "x").variable("SPKY_TEST_SEED", "x");
    let loaded = Config::load(&sources).unwrap();
    let texts: Vec<String> = loaded.notices.iter().map(Notice::to_string).collect();
    assert_eq!(texts, ["unknown variable SPKY_AUTH_SECERT, did you mean SPKY_AUTH_SECRET?"]);
}
