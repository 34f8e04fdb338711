"""The private PostgreSQL of the local system and the tests."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ops.local import staging
from ops.local.postgres import SOCKET_PATH_BYTES, SUPERUSER, Cluster, ClusterError
from tests.fix_postgres import Database


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Cluster]:
    """A server for tests that stop or kill it, not yet started."""
    cluster = Cluster(tmp_path / "postgres", durable=False)
    yield cluster
    cluster.remove()


def one(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


def test_start_makes_a_utf8_database_reachable_by_tcp(own: Cluster) -> None:
    own.start()
    assert one(own.url(), "SHOW server_encoding") == "UTF8"
    assert one(own.url(), "SELECT upper('ž')") == "Ž"
    assert one(own.url(), "SHOW listen_addresses") == "127.0.0.1"


def test_start_makes_a_socket_whose_path_fits(own: Cluster) -> None:
    own.start()
    path = own.socket_directory / f".s.PGSQL.{own.port}"
    assert len(os.fsencode(path)) <= SOCKET_PATH_BYTES
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_password_is_needed(own: Cluster) -> None:
    own.start()
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(own.url(SUPERUSER, "postgres", "wrong"))


def test_start_again_recognises_the_running_server(own: Cluster) -> None:
    own.start()
    postmaster = one(own.url(), "SELECT pg_postmaster_start_time()")
    again = Cluster(own.directory)
    again.start()
    assert again.port == own.port
    assert one(again.url(), "SELECT pg_postmaster_start_time()") == postmaster


def test_data_and_port_survive_a_restart(own: Cluster) -> None:
    own.start()
    port = own.port
    with psycopg.connect(own.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    own.restart("immediate")
    assert own.port == port
    assert one(own.url(), "SELECT answer FROM kept") == 42


def test_start_after_a_kill_survives_the_stale_lock_files(own: Cluster) -> None:
    own.start()
    own.kill()
    assert (own.directory / "data" / "postmaster.pid").exists()
    assert not own.is_running()
    own.start()
    assert one(own.url(), "SELECT 1") == 1


def test_a_lock_file_naming_another_program_counts_as_stale(own: Cluster) -> None:
    own.start()
    own.kill()
    lock = own.directory / "data" / "postmaster.pid"
    lines = lock.read_text().splitlines()
    lock.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    assert not own.is_running()
    own.start()
    assert one(own.url(), "SELECT 1") == 1


def test_a_port_in_use_is_reported_with_the_servers_own_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        cluster = Cluster(tmp_path / "postgres", port=taken.getsockname()[1], durable=False)
        with pytest.raises(ClusterError, match="Address already in use"):
            cluster.start()
    cluster.remove()


def test_data_of_another_major_version_is_refused(own: Cluster) -> None:
    own.start()
    own.stop()
    (own.directory / "data" / "PG_VERSION").write_text("15\n")
    with pytest.raises(ClusterError, match="made by PostgreSQL 15"):
        own.start()


def test_remove_leaves_nothing(own: Cluster) -> None:
    own.start()
    home, port = own.directory.resolve(), own.port
    own.remove()
    assert not os.path.lexists(own.directory)
    assert not home.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can use a folder that others cannot enter")
def test_root_in_a_private_folder_opens_up_no_permissions(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    with Cluster(private / "postgres", durable=False) as cluster:
        assert one(cluster.url(), "SELECT 1") == 1
        assert cluster.directory.is_symlink()
        assert private.stat().st_mode & 0o777 == 0o700
        home = cluster.directory.resolve()
        cluster.remove()
    assert not home.exists()


def test_the_server_is_out_of_reach_of_the_terminals_interrupt(own: Cluster) -> None:
    own.start()
    postmaster = int((own.directory / "data" / "postmaster.pid").read_text().splitlines()[0])
    assert os.getsid(postmaster) != os.getsid(0)


def test_each_test_gets_the_role_and_the_tables(database: Database, conn: psycopg.Connection) -> None:
    assert one(database.url, "SELECT current_user") == staging.ROLE
    assert one(database.url, "SHOW search_path") == "ximilar, public"
    conn.execute("SELECT id, external_id, ximilar_status FROM raw_products")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("INSERT INTO raw_products (external_id) VALUES ('x')")


def test_tables_made_by_others_are_left_alone(cluster: Cluster, role_password: str) -> None:
    with psycopg.connect(cluster.url(), autocommit=True) as server:
        server.execute("CREATE DATABASE foreign_staging")
    try:
        with psycopg.connect(cluster.url(SUPERUSER, "foreign_staging"), autocommit=True) as owner:
            owner.execute("CREATE TABLE raw_products (id bigint)")
            with pytest.raises(staging.ForeignDatabaseError, match="table raw_products"):
                staging.prepare(owner, role_password)
            assert owner.execute("SELECT to_regnamespace('ximilar')").fetchone() == (None,)
    finally:
        with psycopg.connect(cluster.url(), autocommit=True) as server:
            server.execute("DROP DATABASE foreign_staging WITH (FORCE)")
