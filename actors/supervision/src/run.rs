//! Running a tree from a program's `main`.

use std::pin::pin;

use futures_util::future::{Either, select};

use crate::kernel::error::StartError;
use crate::tree::handle::TreeHandle;
use crate::tree::outcome::Outcome;
use crate::tree::root::Tree;
use crate::tree::spec::SupervisorSpec;

/// Runs a future to its end in a new actix system on this thread. The trees that it starts, and
/// their threads, belong to that system.
///
/// # Panics
/// Where the system cannot be created, or inside another runtime.
pub fn block_on<F: Future>(future: F) -> F::Output {
    actix::System::new().block_on(future)
}

/// Runs a tree on this thread and its arbiters: starts it, runs `body` with its handle, and stops it in
/// order when `body` has ended. Where the tree ends first, because a handle stopped it or its root gave
/// up, `body` is dropped.
///
/// # Errors
/// The error of the first child that does not start.
///
/// # Panics
/// As [`block_on`].
pub fn run(
    spec: SupervisorSpec,
    body: impl AsyncFnOnce(TreeHandle),
) -> Result<Outcome, StartError> {
    block_on(async {
        let tree = Tree::start(spec).await?;
        let handle = tree.handle().clone();
        let (body, ended) = (pin!(body(handle.clone())), pin!(tree.wait()));
        match select(body, ended).await {
            Either::Left(((), ended)) => {
                handle.stop();
                Ok(ended.await)
            }
            Either::Right((outcome, _)) => Ok(outcome),
        }
    })
}
