//! The listening simulator: bound first, served later, so that whoever starts it knows its address.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use service::shutdown::Shutdown;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::http::{Shared, router};
use crate::settings::Settings;

/// Why the simulator does not run.
#[derive(Debug, Error)]
pub enum SimulatorError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: free the port or set SIM_ADDR to another address")]
    Bind {
        /// `SIM_ADDR`
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Listening ended by itself.
    #[error("listening on {address} ended")]
    Serve {
        /// The bound address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A simulator that is bound and not yet served.
#[derive(Debug)]
pub struct Simulator {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    shutdown: Shutdown,
}

impl Simulator {
    /// Listens on `settings.address`; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address is in use or not of this machine.
    pub async fn bind(settings: Settings, shutdown: Shutdown) -> Result<Self, SimulatorError> {
        let failed = |source| SimulatorError::Bind { address: settings.address, source };
        let listener = TcpListener::bind(settings.address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, shared: Shared::new(settings.limit, shutdown.clone()), shutdown })
    }

    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until the shutdown is requested, then ends the answers under way.
    ///
    /// # Errors
    /// When listening ends by itself.
    pub async fn serve(self) -> Result<(), SimulatorError> {
        let listener = self.listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "no immediate sending on this connection");
            }
        });
        let service = router(self.shared).into_make_service_with_connect_info::<SocketAddr>();
        let shutdown = self.shutdown;
        axum::serve(listener, service)
            .with_graceful_shutdown(async move { shutdown.requested().await })
            .await
            .map_err(|source| SimulatorError::Serve { address: self.address, source })
    }

    /// Serves on a task of its own: for tests.
    pub fn spawn(self) -> Running {
        Running { address: self.address, shutdown: self.shutdown.clone(), task: tokio::spawn(self.serve()) }
    }
}

/// A simulator that runs in this process until it is stopped or dropped.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    shutdown: Shutdown,
    task: JoinHandle<Result<(), SimulatorError>>,
}

impl Running {
    /// Starts one with these settings.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(settings: Settings) -> Result<Self, SimulatorError> {
        Ok(Simulator::bind(settings, Shutdown::new(Duration::from_secs(5))).await?.spawn())
    }

    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of a path that starts with `/`; of `/api/` what `API_BASE_URL` is set to.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Ends it and waits until its port is free.
    ///
    /// # Errors
    /// When listening had ended by itself.
    pub async fn stop(mut self) -> Result<(), SimulatorError> {
        self.shutdown.request();
        match (&mut self.task).await {
            Ok(ended) => ended,
            Err(_) => Ok(()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.request();
        self.task.abort();
    }
}
