//! Databases that are not there, refuse, or are not what they must be.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::support::{Ran, Stage, TWO};
use crate::table::Table;

/// Everything that reads or writes a database.
const COMMANDS: [&[&str]; 7] = [
    &["ls"],
    &["show", "--limit", "1"],
    &["replay"],
    &["discard", "--yes"],
    &["export"],
    &["import"],
    &["import", "--from-queue", "orders"],
];

async fn every_command(stage: &Stage, database: &str) -> Vec<Ran> {
    let mut runs = Vec::new();
    for command in COMMANDS {
        let end = ["--database", database];
        runs.push(stage.run(&[&["failed"], command, &end[..]].concat()).await);
    }
    runs
}

/// That all say the same in these words, and end with this code.
fn all_end(runs: &[Ran], code: i32, words: &[&str]) {
    for ran in runs {
        assert_eq!(ran.code, code, "{}", ran.err);
        assert_eq!(ran.out, "");
        for word in words {
            assert!(ran.err.contains(word), "no `{word}` in {}", ran.err);
        }
        assert!(!ran.err.contains("s3cret"), "{}", ran.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_there_is_named_and_not_made() {
    let stage = Stage::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("failed.db");
    let runs = every_command(&stage, &format!("sqlite://{}", file.display())).await;
    all_end(&runs, 78, &[&file.display().to_string()]);
    assert!(!file.exists());
    let shown = runs[0].err.replace(&file.display().to_string(), "FILE");
    insta::assert_snapshot!("database-no-file", shown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_the_tables_is_told_with_what_to_do_about_it() {
    let stage = Stage::new().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let name = file.path().display().to_string();
    let runs = every_command(&stage, &format!("sqlite://{name}")).await;
    all_end(&runs, 78, &[&name, "Migrate::Apply"]);
    let shown = runs[0].err.replace(&name, "FILE");
    insta::assert_snapshot!("database-no-table", shown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_database_is_left_as_it_is() {
    let stage = Stage::new().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = "A letter. ".repeat(1000);
    std::fs::write(file.path(), &text).unwrap();
    let name = file.path().display().to_string();
    let runs = every_command(&stage, &format!("sqlite://{name}")).await;
    all_end(&runs, 78, &[&name]);
    assert_eq!(std::fs::read_to_string(file.path()).unwrap(), text);
    let shown = runs[0].err.replace(&name, "FILE");
    insta::assert_snapshot!("database-no-database", shown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_told_without_the_password() {
    let stage = Stage::new().await;
    let url = "postgres://app:s3cret@127.0.0.1:1/shop";
    let runs = every_command(&stage, url).await;
    all_end(&runs, 75, &["`shop`", "127.0.0.1:1"]);
    insta::assert_snapshot!("database-no-server", runs[0].err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_of_a_database_is_told_and_never_shown() {
    let stage = Stage::new().await;
    let server = refusing_server();
    let runs = every_command(&stage, &format!("postgres://app:s3cret@{server}/shop")).await;
    all_end(&runs, 78, &["28P01", "check user and password"]);
    let shown = runs[0].err.replace(&server.to_string(), "SERVER");
    insta::assert_snapshot!("database-wrong-password", shown);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_names_no_database_is_told_without_quoting_it() {
    let stage = Stage::new().await;
    for url in [
        "mysql://app:s3cret@db/shop",
        "postgres://app:s3cret@db:port/shop",
        "app:s3cret@db/shop",
        "sqlite::memory:?key=s3cret",
    ] {
        let runs = every_command(&stage, url).await;
        all_end(&runs, 2, &["database URL"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_off_the_broker_for_a_database_that_takes_nothing() {
    let stage = Stage::new().await;
    stage.park(TWO).await;
    let url = "postgres://app:s3cret@127.0.0.1:1/shop";
    let import = [
        "failed",
        "import",
        "--database",
        url,
        "--from-queue",
        "orders",
    ];
    let ran = stage.run(&import).await;
    assert_eq!(ran.code, 75, "{}", ran.err);
    let parked = stage.messages("orders.failed").await;
    assert!(parked.len() == 2 && parked.iter().all(|m| m.delivery_count == 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_searched_for_one_queue_or_for_all() {
    let stage = Stage::new().await;
    let table = Table::with(&stage, TWO).await;
    let two = ["--queue", "orders", "--queue", "invoices"];
    let ran = table.run(&stage, "ls", &two).await;
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains("--where queue~"), "{}", ran.err);
}

/// A server that speaks as much of PostgreSQL's protocol as it takes to turn everybody away.
fn refusing_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // It ends with the process; a client that goes away early is no concern of it.
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let _gone = client.and_then(refuse);
        }
    });
    address
}

fn refuse(mut client: TcpStream) -> std::io::Result<()> {
    const TLS_WANTED: u32 = 80_877_103;
    while u32::from_be_bytes(packet(&mut client)?[..4].try_into().unwrap()) == TLS_WANTED {
        client.write_all(b"N")?;
    }
    // The password, please.
    client.write_all(b"R\0\0\0\x08\0\0\0\x03")?;
    client.read_exact(&mut [0; 1])?;
    packet(&mut client)?;
    let fields = "SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user \"app\"\0\0";
    let length = u32::try_from(4 + fields.len()).unwrap();
    client.write_all(b"E")?;
    client.write_all(&length.to_be_bytes())?;
    client.write_all(fields.as_bytes())
}

/// What follows a length that counts itself.
fn packet(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    client.read_exact(&mut length)?;
    let mut packet = vec![0; u32::from_be_bytes(length) as usize - 4];
    client.read_exact(&mut packet)?;
    Ok(packet)
}
