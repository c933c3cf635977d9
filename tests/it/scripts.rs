//! The scripts of `tests/scripts`, as a user would run them: against the real local server, by curl.

use std::time::Duration;

use crate::binaries::built;

/// Runs a script; it has to end well within a minute.
async fn passes(script: &str) {
    let path = format!("{}/scripts/{script}", env!("CARGO_MANIFEST_DIR"));
    let mut command = tokio::process::Command::new("bash");
    command.arg(path).arg(built().join("local")).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(60), command.output()).await.unwrap_or_else(|_| panic!("{script} takes too long")).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.trim_end() == "passed", "{script}: {said}{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn an_administrators_client_reads_the_statistics() {
    // Script 4 of the specification (APEX)
    passes("apex.sh").await;
}

#[tokio::test]
async fn two_servers_on_one_table_agree_and_one_is_enough() {
    // Script 5 of the specification (OAG): 5.6 rows 1, 2, 6 to 10; G-02, G-03, G-04, G-07, G-10, MI-01 to MI-03
    passes("oag.sh").await;
}

#[tokio::test]
async fn the_lines_that_are_printed_work_when_pasted() {
    // CONTRACT 1, `make run`
    passes("quickstart.sh").await;
}

#[tokio::test]
async fn a_developer_protects_a_module_by_a_role_and_a_privilege() {
    // Script 3 of the specification (ORDS): O-01 to O-06, O-08, O-09, O-12, O-16, O-17, O-20, T-16, T-18, 5.1
    passes("ords.sh").await;
}

#[tokio::test]
async fn an_administrator_registers_a_resource_and_a_client_and_asks_why() {
    // Script 2 of the specification (IDCS): I-01 to I-03, I-05, I-08, I-10, I-11, I-14 to I-17, I-19, I-21 to I-24
    passes("idcs.sh").await;
}

#[tokio::test]
async fn a_mobile_backend_has_its_users() {
    // Script 1 of the specification (MCS): M-01, M-04 to M-18
    passes("mcs.sh").await;
}
