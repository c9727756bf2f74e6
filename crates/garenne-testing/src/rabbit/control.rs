//! Evaluating Erlang in a node.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::rabbit::RabbitNode;

/// A call takes milliseconds; a node that is paused answers none.
const DEADLINE: Duration = Duration::from_secs(30);

impl RabbitNode {
    /// Evaluates an Erlang expression in the node and gives its value as Erlang prints it. The
    /// value of a string is the string itself.
    ///
    /// # Errors
    ///
    /// What Erlang or `erl_call` says when there is no value.
    pub async fn eval(&self, expression: &str) -> Result<String, String> {
        let command = self
            .ports
            .erl_call_command(self.home.path(), &self.name, &self.cookie);
        let mut call = tokio::process::Command::from(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("failed to start erl_call (package erlang-base): {error}"))?;
        let output = async {
            if let Some(mut stdin) = call.stdin.take() {
                stdin
                    .write_all(format!("{expression}.\n").as_bytes())
                    .await?;
            }
            call.wait_with_output().await
        };
        let output = tokio::time::timeout(DEADLINE, output)
            .await
            .map_err(|_| format!("no answer to {expression} within {DEADLINE:?}"))?
            .map_err(|error| error.to_string())?;
        let answer = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let value = answer
            .strip_prefix("{ok, ")
            .and_then(|rest| rest.strip_suffix('}'));
        let text = |value: &str| {
            value
                .strip_prefix('"')?
                .strip_suffix('"')
                .map(str::to_owned)
        };
        match value {
            Some(value) => Ok(text(value).unwrap_or_else(|| value.to_owned())),
            None => Err(format!(
                "{answer} {}",
                String::from_utf8_lossy(&output.stderr).trim()
            )),
        }
    }

    /// The same, for what must not fail.
    ///
    /// # Panics
    ///
    /// When there is no value.
    pub(crate) async fn run(&self, expression: &str) -> String {
        let value = self.eval(expression).await;
        value.unwrap_or_else(|error| panic!("failed to evaluate {expression}: {error}"))
    }
}

/// A binary literal of Erlang, for names.
pub(crate) fn binary(text: &str) -> String {
    format!(
        "<<\"{}\"/utf8>>",
        text.replace('\\', "\\\\").replace('"', "\\\"")
    )
}
