//! A real browser without a window, driven through WebDriver.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use thirtyfour::{ChromiumLikeCapabilities as _, DesiredCapabilities, WebDriver};

use crate::stack::data_folder;
use crate::wait::wait_for;

/// A browser that speaks to nobody but the page. Headless, as root without its sandbox, which root cannot have.
const FLAGS: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// How wide the page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// A desktop's.
    Wide,
    /// A small telephone's: 360 pixels.
    Narrow,
}

/// A browser with a profile of its own. Dropped, it ends.
pub struct Browser {
    driver: Option<WebDriver>,
    process: local_stack::Process,
}

impl Browser {
    /// Starts it; the first start on a machine may install it.
    pub async fn start(width: Width) -> Self {
        let binary = tokio::task::spawn_blocking(installed).await.expect("the look for a browser");
        let port = local_stack::port::free(&[]).expect("a free port");
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = local_stack::Process::spawn(command).expect("chromedriver starts");
        let mut wanted = DesiredCapabilities::chrome();
        wanted.set_binary(binary).expect("a capability");
        let profile = data_folder(&format!("browser-{port}"));
        for flag in FLAGS.map(str::to_owned).into_iter().chain([format!("--user-data-dir={}", profile.display())]) {
            wanted.add_arg(&flag).expect("a capability");
        }
        match width {
            Width::Wide => wanted.add_arg("--window-size=1280,900").expect("a capability"),
            Width::Narrow => {
                let metrics = serde_json::json!({"deviceMetrics": {"width": 360, "height": 740, "pixelRatio": 1}});
                wanted.add_experimental_option("mobileEmulation", metrics).expect("a capability");
            }
        }
        let url = format!("http://127.0.0.1:{port}");
        let start = async || WebDriver::new(&url, wanted.clone()).await.map_err(|error| error.to_string());
        let driver = wait_for("a browser", start).await;
        Self { driver: Some(driver), process }
    }

    /// What drives it.
    pub fn driver(&self) -> &WebDriver {
        self.driver.as_ref().expect("a browser that runs")
    }

    /// Ends it in order.
    pub async fn quit(mut self) {
        self.driver.take().expect("a browser that runs").quit().await.expect("the browser ends");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its own end waits for an answer on the runtime that it blocks.
        std::mem::forget(self.driver.take());
        if self.process.exit_status().is_none() {
            let group = libc::pid_t::try_from(self.process.pid()).expect("a process id");
            // SAFETY: kill has no memory effects. The driver leads a group of its own, and the browser is in it.
            unsafe { libc::kill(-group, libc::SIGKILL) };
        }
    }
}

/// The path of a browser that has its driver beside it.
fn installed() -> &'static str {
    static BROWSER: OnceLock<String> = OnceLock::new();
    BROWSER.get_or_init(|| {
        if let Some(found) = found() {
            return found;
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("install-browser");
        let ended = Command::new(&script).output().expect("the script runs");
        let said = String::from_utf8_lossy(&ended.stderr);
        found().unwrap_or_else(|| panic!("{} could not install a browser: {said}", script.display()))
    })
}

fn found() -> Option<String> {
    let look = "command -v chromedriver > /dev/null && (command -v chromium || command -v google-chrome)";
    let answer = Command::new("sh").args(["-c", look]).output().expect("a shell");
    answer.status.success().then(|| String::from_utf8_lossy(&answer.stdout).trim().to_owned())
}
