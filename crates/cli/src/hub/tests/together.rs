//! Several pulls and removals of one model at the same time.

use std::thread;

use super::*;
use crate::hub::lock::ModelLock;

#[test]
fn pulls_at_once_download_once() {
    let server = Server::start(vec![Reply::whole(&body())]);
    let fixture = Fixture::new(&server);
    thread::scope(|scope| {
        let pulls = [(); 4].map(|()| scope.spawn(|| fixture.pull()));
        for pull in pulls {
            assert_eq!(pull.join().unwrap().unwrap(), fixture.path());
        }
    });
    fixture.assert_complete();
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn remove_during_a_pull_is_refused() {
    let server = Server::start(vec![]);
    let fixture = Fixture::new(&server);
    let model = Model::parse("smollm2").unwrap();
    let store = fixture.store();
    store.create().unwrap();
    let path = store.path_of(&model);
    fs::write(store.partial_path(&model), "begun").unwrap();
    let lock = ModelLock::try_acquire(&store.lock_path(&path)).unwrap();
    assert!(lock.is_some());
    assert!(matches!(store.remove("smollm2"), Err(HubError::Busy { .. })));
    drop(lock);
    assert_eq!(store.remove("smollm2").unwrap(), 5);
}

#[test]
fn waiting_pull_can_be_cancelled() {
    let server = Server::start(vec![]);
    let fixture = Fixture::new(&server);
    fixture.store().create().unwrap();
    let lock = ModelLock::try_acquire(&fixture.store().lock_path(&fixture.path())).unwrap();
    assert!(lock.is_some());
    let waited = pull(&fixture.config, &fixture.model, &mut Silent, &AtomicBool::new(true));
    assert!(matches!(waited, Err(HubError::Cancelled { .. })), "{waited:?}");
    assert!(server.requests().is_empty());
}
