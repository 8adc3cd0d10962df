//! From a container of a Pod to what the engine is asked to create.
//! Pure: asks nobody and starts nothing.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountType, RestartPolicy,
    RestartPolicyNameEnum,
};
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use runner_runners::guest::Furniture;

use super::engine::Kind;
use super::quantity;

/// Bytes of its output that the engine keeps of a container, for an engine of ours that comes later.
const ENGINE_LOG_SIZE: &str = "64m";

/// What a container is made of.
pub(super) struct Order<'a> {
    pub(super) pod: &'a Pod,
    pub(super) spec: &'a PodSpec,
    pub(super) container: &'a Container,
    pub(super) furniture: &'a Furniture,
    pub(super) image: String,
    /// The network it is in; `container:NAME` to share one.
    pub(super) network: String,
    /// Where it starts when it does not say.
    pub(super) cwd: Option<String>,
    pub(super) init: bool,
    pub(super) kind: Kind,
}

/// Makes the body of the request.
pub(super) fn body(order: &Order<'_>) -> ContainerCreateBody {
    let (container, furniture) = (order.container, order.furniture);
    let mut labels: HashMap<String, String> =
        order.pod.metadata.labels.clone().unwrap_or_default().into_iter().collect();
    labels.extend(order.pod.metadata.annotations.clone().unwrap_or_default());
    labels.insert("runner/container".to_owned(), container.name.clone());
    let host = order.pod.metadata.name.clone().unwrap_or_default().chars().take(63).collect::<String>();
    // As in Kubernetes: `command` replaces the image's entrypoint and its command; `args` replaces its command.
    let (entrypoint, cmd) = match (furniture.command.is_empty(), furniture.args.is_empty()) {
        (true, true) => (None, None),
        (true, false) => (None, Some(furniture.args.clone())),
        (false, _) => (Some(furniture.command.clone()), Some(furniture.args.clone())),
    };
    let shares_host_name = order.network.starts_with("container:") || order.network == "host";
    ContainerCreateBody {
        hostname: (!shares_host_name).then(|| host.trim_end_matches(['-', '.']).to_owned()),
        user: user(order),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: container.tty,
        open_stdin: container.stdin,
        env: Some(furniture.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        cmd,
        image: Some(order.image.clone()),
        working_dir: container.working_dir.clone().filter(|dir| !dir.is_empty()).or(order.cwd.clone()),
        entrypoint,
        labels: Some(labels),
        host_config: Some(host_config(order)),
        ..ContainerCreateBody::default()
    }
}

fn user(order: &Order<'_>) -> Option<String> {
    let (own, pod) = (order.container.security_context.as_ref(), order.spec.security_context.as_ref());
    let user = own.and_then(|own| own.run_as_user).or(pod.and_then(|pod| pod.run_as_user));
    let group = own.and_then(|own| own.run_as_group).or(pod.and_then(|pod| pod.run_as_group));
    match (user, group) {
        (Some(user), Some(group)) => Some(format!("{user}:{group}")),
        (Some(user), None) => Some(user.to_string()),
        (None, Some(group)) => Some(format!("0:{group}")),
        (None, None) => None,
    }
}

fn host_config(order: &Order<'_>) -> HostConfig {
    let context = order.container.security_context.as_ref();
    let capabilities = context.and_then(|context| context.capabilities.as_ref());
    let limits = order.container.resources.as_ref().and_then(|r| r.limits.as_ref());
    let requests = order.container.resources.as_ref().and_then(|r| r.requests.as_ref());
    let memory = quantity::of(limits, "memory").map(|milli| milli / 1000);
    let log = match order.kind {
        Kind::Podman => "k8s-file",
        Kind::Docker => "local",
    };
    HostConfig {
        memory,
        // No swap on top: the limit means what it says.
        memory_swap: memory,
        nano_cpus: quantity::of(limits, "cpu").map(|milli| milli * 1_000_000),
        cpu_shares: quantity::of(requests, "cpu").map(|milli| (milli * 1024 / 1000).max(2)),
        init: order.init.then_some(true),
        log_config: Some(HostConfigLogConfig {
            typ: Some(log.to_owned()),
            config: Some(HashMap::from([("max-size".to_owned(), ENGINE_LOG_SIZE.to_owned())])),
        }),
        network_mode: Some(order.network.clone()).filter(|network| !network.is_empty()),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            ..RestartPolicy::default()
        }),
        auto_remove: Some(false),
        mounts: Some(mounts(order)),
        cap_add: capabilities.and_then(|c| c.add.clone()),
        cap_drop: capabilities.and_then(|c| c.drop.clone()),
        dns: order.spec.dns_config.as_ref().and_then(|dns| dns.nameservers.clone()),
        dns_search: order.spec.dns_config.as_ref().and_then(|dns| dns.searches.clone()),
        extra_hosts: extra_hosts(order),
        group_add: groups(order),
        privileged: context.and_then(|context| context.privileged),
        readonly_rootfs: context.and_then(|context| context.read_only_root_filesystem),
        security_opt: security_options(order),
        sysctls: sysctls(order),
        ..HostConfig::default()
    }
}

fn mounts(order: &Order<'_>) -> Vec<Mount> {
    let one = |mounted: &runner_runners::guest::Mounted| Mount {
        target: Some(mounted.target.clone()),
        source: Some(mounted.source.to_string_lossy().into_owned()),
        typ: Some(MountType::BIND),
        read_only: Some(mounted.read_only),
        ..Mount::default()
    };
    order.furniture.mounts.iter().map(one).collect()
}

/// Names in /etc/hosts; whoever shares a network namespace shares them too and may not add some.
fn extra_hosts(order: &Order<'_>) -> Option<Vec<String>> {
    let aliases = order.spec.host_aliases.as_ref().filter(|_| !order.network.starts_with("container:"))?;
    let names = |alias: &k8s_openapi::api::core::v1::HostAlias| {
        let ip = alias.ip.clone();
        alias.hostnames.clone().unwrap_or_default().into_iter().map(move |name| format!("{name}:{ip}"))
    };
    Some(aliases.iter().flat_map(names).collect())
}

fn groups(order: &Order<'_>) -> Option<Vec<String>> {
    let context = order.spec.security_context.as_ref()?;
    let groups = context.supplemental_groups.iter().flatten().chain(&context.fs_group);
    let groups: Vec<String> = groups.map(i64::to_string).collect();
    (!groups.is_empty()).then_some(groups)
}

fn security_options(order: &Order<'_>) -> Option<Vec<String>> {
    let own = order.container.security_context.as_ref();
    let mut options = Vec::new();
    if own.and_then(|own| own.allow_privilege_escalation) == Some(false) {
        options.push("no-new-privileges".to_owned());
    }
    let pod = order.spec.security_context.as_ref().and_then(|pod| pod.seccomp_profile.as_ref());
    let seccomp = own.and_then(|own| own.seccomp_profile.as_ref()).or(pod);
    if seccomp.is_some_and(|profile| profile.type_ == "Unconfined") {
        options.push("seccomp=unconfined".to_owned());
    }
    (!options.is_empty()).then_some(options)
}

fn sysctls(order: &Order<'_>) -> Option<HashMap<String, String>> {
    let all = order.spec.security_context.as_ref()?.sysctls.as_ref()?;
    Some(all.iter().map(|one| (one.name.clone(), one.value.clone())).collect())
}
