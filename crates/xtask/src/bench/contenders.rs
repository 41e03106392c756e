//! Who takes part: ours is built, others are installed.

use std::path::{Path, PathBuf};

use ::bench::{Contender, Installed, LeftOut, Peer};
use clap::Args;

use super::Stage;
use crate::failure::Failure;
use crate::programs::{Programs, SERVICES};
use crate::workspace;

/// Everybody who can be installed, in all variants.
const ALL: &str = "all";
/// The service that is measured.
pub(crate) const PROCESSOR: &str = "stream-processor";

/// Arguments that say who takes part.
#[derive(Args)]
pub(crate) struct Contenders {
    /// Names, comma separated: `sluice`, `sluice/single`, a folder of `bench/peers`, or such a folder and one of its variants
    /// as in `spark/tuned`; `all` for everybody who can be installed. The first is what the others are compared with.
    #[arg(long = "contender", value_name = "NAME,...", value_delimiter = ',', default_value = "sluice")]
    names: Vec<String>,
    /// A stream-processor that was built before, or in another way: takes part as `sluice/before`.
    #[arg(long, value_name = "PROGRAM")]
    before: Option<PathBuf>,
    #[command(flatten)]
    build: Build,
}

/// Arguments that say how the services are built.
#[derive(Args, Clone, Copy)]
pub(crate) struct Build {
    /// Build the services as cargo does for release, without the link-time optimisation of the images: quicker to build.
    #[arg(long)]
    quick_build: bool,
}

impl Build {
    /// Builds all of them, so that every benchmark has the same ones, built once. Blocks.
    pub(crate) fn programs(self) -> Result<Programs, Failure> {
        if self.quick_build { Programs::build(&SERVICES, true) } else { Programs::as_in_images(&SERVICES) }
    }

    /// What it is, for results.
    pub(crate) fn name(self) -> &'static str {
        if self.quick_build { "release" } else { "images" }
    }
}

impl Contenders {
    /// The other build of ours, where one takes part.
    pub(crate) fn before(&self) -> Option<&Path> {
        self.before.as_deref()
    }

    /// How ours is built.
    pub(crate) fn build(&self) -> Build {
        self.build
    }

    /// Builds and installs them, and says who could not be. Blocks.
    pub(crate) fn ready(&self, stage: &mut Stage) -> Result<(Vec<Contender>, Vec<LeftOut>), Failure> {
        let home = stage.folder.join("peers");
        let folder = workspace::root().join("bench").join("peers");
        let peers = if folder.exists() { Peer::all(&folder)? } else { Vec::new() };
        stage.screen.say("building the services")?;
        let ours = Contender::all_of_ours(self.build.programs()?.path(PROCESSOR)?);
        let known = ours.iter().cloned().chain(peers.iter().flat_map(|peer| peer.contenders(&home)));
        let mut chosen = chosen(&self.names, known.collect())?;
        if let Some(program) = &self.before {
            let program = program.canonicalize().map_err(Failure::file(program))?;
            chosen.push(Contender::ours("sluice/before", &program, &[]));
        }
        let mut left_out: Vec<LeftOut> = Vec::new();
        for peer in peers.iter().filter(|peer| chosen.iter().any(|contender| of_peer(contender, peer))) {
            stage.screen.say(&format!("installing {}", peer.name))?;
            let why = match peer.install(&home)? {
                Installed::Ready => continue,
                Installed::Lacks(what) => what,
                Installed::Failed(log) => {
                    stage.screen.say(&format!("what its install says is in {}", log.display()))?;
                    "its install failed".to_owned()
                }
            };
            stage.screen.say(&format!("without {}: {why}", peer.name))?;
            left_out.push(LeftOut { peer: peer.name.clone(), why });
        }
        let is_ready = |contender: &Contender| !left_out.iter().any(|one| folder_of(contender) == one.peer);
        let ready: Vec<Contender> = chosen.into_iter().filter(is_ready).collect();
        if ready.is_empty() { Err(Failure::NobodyLeft) } else { Ok((ready, left_out)) }
    }
}

fn folder_of(contender: &Contender) -> &str {
    contender.name.split('/').next().unwrap_or_default()
}

fn of_peer(contender: &Contender, peer: &Peer) -> bool {
    folder_of(contender) == peer.name
}

/// Those of the known ones that were named, in the order of the names, each once.
fn chosen(names: &[String], known: Vec<Contender>) -> Result<Vec<Contender>, Failure> {
    let mut chosen: Vec<Contender> = Vec::new();
    for name in names {
        let named: Vec<_> = known.iter().filter(|contender| name == ALL || contender.name == *name).collect();
        if named.is_empty() {
            let known: Vec<_> = known.iter().map(|contender| contender.name.as_str()).collect();
            return Err(Failure::NoContender { name: name.clone(), known: known.join(", ") });
        }
        for contender in named {
            if !chosen.iter().any(|one| one.name == contender.name) {
                chosen.push(contender.clone());
            }
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_of_the_checkout_is_read_and_has_a_variant_of_its_name() {
        let peers = Peer::all(&workspace::root().join("bench").join("peers")).unwrap();
        assert!(peers.len() >= 5, "{peers:?}");
        for peer in peers {
            assert!(
                peer.contenders(Path::new("/home")).iter().any(|contender| contender.name == peer.name),
                "{peer:?}"
            );
        }
    }

    #[test]
    fn contenders_are_chosen_in_the_order_of_their_names_and_an_unknown_one_is_told() {
        let known = || Contender::all_of_ours(Path::new("p"));
        let names = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            chosen(&names, known()).map(|chosen| chosen.into_iter().map(|one| one.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["sluice/single", "all"]).unwrap(), ["sluice/single", "sluice"]);
        let refused = names(&["flume"]).unwrap_err().to_string();
        assert!(refused.contains("flume") && refused.contains("sluice/single"), "{refused}");
    }
}
