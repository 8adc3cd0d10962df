//! Resource templates as typed steps: the manifest's artifact in, output parameters out.
//! Speaks to no cluster: `runner-resources` does.

use runner_resources::Problem;

use crate::order::{Done, Failure, Step};

/// Does a resource template.
///
/// # Errors
/// Error when the template cannot be meant or there is no cluster; Failed when the cluster refuses or the object
/// meets the failure condition, as in Argo.
pub(crate) fn run(step: &Step) -> Result<Done, Failure> {
    let order = step.order();
    let artifact = artifact(step)?;
    let work = async {
        runner_resources::perform(order, artifact.as_deref()).await.map_err(|problem| match problem {
            Problem::Input(message) => Failure::error(message),
            Problem::Refused(message) => Failure::failed(message),
        })
    };
    let parameters = step.block_on(work)?;
    Ok(Done { parameters, ..Done::default() })
}

/// The text of the artifact that `manifestFrom` names.
fn artifact(step: &Step) -> Result<Option<String>, Failure> {
    let resource = step.order().template.resource.as_ref();
    let Some(named) = resource.and_then(|resource| resource.manifest_from.as_ref()?.artifact.as_ref()) else {
        return Ok(None);
    };
    let missing = || Failure::error(format!("resource: the template has no input artifact {:?}", named.name));
    let path = step.input_path(&named.name).ok_or_else(missing)?;
    let text = std::fs::read_to_string(path);
    text.map(Some).map_err(|error| Failure::error(format!("the manifest {}: {error}", path.display())))
}
