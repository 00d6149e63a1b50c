//! Questions and answers as bytes, for those who have no connection of their own, with all types kept: in the encoding
//! that SurrealDB has for its values.
//!
//! A question is an object of a text and its variables. An answer is a list with an entry for each statement.

use std::panic::{AssertUnwindSafe, catch_unwind};

use surrealdb::IndexedResults;
use surrealdb::types as sdk;
use surrealdb::types::Variables;

use crate::connect::Database;
use crate::error::{Error, Result, of_statement};
use crate::pages::PAGE;
use crate::paging::Paging;

const ACTION: &str = "answering a query of somebody else";
const QUERY: &str = "query";
const VARIABLES: &str = "vars";
const RESULT: &str = "result";
const ERROR: &str = "error";
const TABLE: &str = "table";

impl Database {
    /// Answers a question that was put as bytes. One request.
    ///
    /// That a statement fails is an answer, too.
    ///
    /// # Errors
    /// [`Error::Malformed`] if that is no question, [`Error::TooLarge`] if the answer does not fit into a message.
    pub async fn answer_bytes(&self, question: &[u8]) -> Result<Vec<u8>> {
        let (text, variables) = decode_question(question)?;
        let results = self.ask(text, variables).await?;
        let statements = results.into_iter().map(|result| {
            let mut entry = sdk::Object::new();
            match result {
                Ok(value) => drop(entry.insert(RESULT, value)),
                Err(Error::NoSuchTable { table, .. }) => drop(entry.insert(TABLE, table)),
                Err(error) => drop(entry.insert(ERROR, reason(error))),
            }
            sdk::Value::Object(entry)
        });
        encode(sdk::Value::Array(statements.collect::<Vec<_>>().into()))
    }

    /// Answers a query for people: a list with `{status, result}` of each statement, as SurrealDB's own `/sql` does. Types
    /// that JSON does not have become text. One request.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the variables are no object, [`Error::Query`] if the text does not parse,
    /// [`Error::TooLarge`] if the answer does not fit into a message.
    pub async fn answer_json(&self, text: &str, vars: serde_json::Value) -> Result<serde_json::Value> {
        use sdk::SurrealValue;
        let variables = match vars.into_value() {
            sdk::Value::Object(vars) => vars.into_iter().collect(),
            sdk::Value::None | sdk::Value::Null => Variables::new(),
            _ => return Err(malformed("the variables are no object")),
        };
        let results = self.ask(text.to_owned(), variables).await?.into_iter();
        let statements = results.map(|result| match result {
            Ok(value) => serde_json::json!({ "status": "OK", "result": value.into_json_value() }),
            Err(error) => serde_json::json!({ "status": "ERR", "result": reason(error) }),
        });
        Ok(statements.collect())
    }

    /// What each statement answers.
    async fn ask(&self, text: String, variables: Variables) -> Result<Vec<Result<sdk::Value>>> {
        let mut results = match self.send(ACTION, text, variables).await {
            Ok(results) => results,
            Err(error) if self.was_too_large(&error).await => {
                return Err(Error::TooLarge { action: ACTION, reason: error.to_string() });
            }
            Err(error) => return Err(error),
        };
        Ok(statements(&mut results))
    }
}

fn statements(results: &mut IndexedResults) -> Vec<Result<sdk::Value>> {
    let count = results.num_statements();
    let mut errors = results.take_errors();
    let statements = (0..count).map(|number| match errors.remove(&number) {
        Some(error) => Err(of_statement(ACTION, &error)),
        None => results.take(number).map_err(|error| of_statement(ACTION, &error)),
    });
    statements.collect()
}

/// What went wrong, in the words of the database.
fn reason(error: Error) -> String {
    match error {
        Error::Query { reason, .. } | Error::Auth { reason, .. } => reason,
        other => other.to_string(),
    }
}

impl Paging {
    /// What is to be asked next, for [`Database::answer_bytes`]; nothing if the page is complete.
    ///
    /// # Errors
    /// [`Error::Convert`] if SurrealDB has no such key.
    pub fn question(&self) -> Result<Option<Vec<u8>>> {
        let Some((text, variables)) = self.next()? else { return Ok(None) };
        let mut question = sdk::Object::new();
        question.insert(QUERY, text);
        question.insert(VARIABLES, variables.into_iter().collect::<sdk::Object>());
        encode(sdk::Value::Object(question)).map(Some)
    }

    /// Takes the answer to [`Paging::question`].
    ///
    /// # Errors
    /// [`Error::Malformed`] if that is no answer, [`Error::Query`] if the database could not give one.
    pub fn answered(&mut self, answer: &[u8]) -> Result<()> {
        let sdk::Value::Array(statements) = decode(answer)? else { return Err(malformed("an answer is no list")) };
        let Some(sdk::Value::Object(mut last)) = statements.into_vec().pop() else {
            return Err(malformed("an answer has no statement"));
        };
        match (last.remove(RESULT), last.remove(TABLE), last.remove(ERROR)) {
            (Some(result), _, _) => self.take(result),
            (None, Some(_), _) => {
                self.end();
                Ok(())
            }
            (None, None, Some(sdk::Value::String(reason))) => Err(Error::Query { action: PAGE, reason }),
            _ => Err(malformed("an answer has neither a result nor an error")),
        }
    }
}

fn decode_question(bytes: &[u8]) -> Result<(String, Variables)> {
    let sdk::Value::Object(mut question) = decode(bytes)? else { return Err(malformed("a question is no object")) };
    let Some(sdk::Value::String(text)) = question.remove(QUERY) else {
        return Err(malformed("a question has no text"));
    };
    match question.remove(VARIABLES) {
        None => Ok((text, Variables::new())),
        Some(sdk::Value::Object(variables)) => Ok((text, variables.into_iter().collect())),
        Some(_) => Err(malformed("the variables are no object")),
    }
}

fn encode(value: sdk::Value) -> Result<Vec<u8>> {
    sdk::encode(&value).map_err(|error| malformed(format!("a value can't be encoded: {error}")))
}

/// The decoder takes some fields for granted that its verifier does not ask for, and panics without them.
fn decode(bytes: &[u8]) -> Result<sdk::Value> {
    match catch_unwind(AssertUnwindSafe(|| sdk::decode::<sdk::Value>(bytes))) {
        Ok(decoded) => decoded.map_err(|error| malformed(format!("{error:#}"))),
        Err(_) => Err(malformed("a field is missing")),
    }
}

fn malformed(reason: impl Into<String>) -> Error {
    Error::Malformed { reason: reason.into() }
}
