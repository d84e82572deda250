"""ElasticDLJob: a Master, which makes its workers and parameter servers itself."""

from collections.abc import Mapping

from kdl_workloads.api import kubedl
from kdl_workloads.framework import KUBEDL, MASTER, Conventions, Framework, RoleSpec, all_succeeded, any_active
from kdl_workloads.job import RestartPolicy

NOBODY: frozenset[str] = frozenset()


class ElasticDL(Framework):
    """The workers look for their Master by the name of its pod. Its container has any name in ElasticDL's own
    manifests. With KubeDL's restart policy, Always, no job would ever end, so here it is Never."""

    kind = "ElasticDLJob"
    replica_specs_field = "elasticdlReplicaSpecs"
    roles = (RoleSpec(MASTER, master=True, max_replicas=1),)
    conventions: Mapping[str, Conventions] = {
        KUBEDL: Conventions(
            model=kubedl.ElasticDLJob,
            container="elasticdl",
            any_container=True,
            port_name="elasticdl-port",
            port=11111,
            running=any_active(MASTER),
            succeeded=all_succeeded(MASTER),
            restart_policies={MASTER: RestartPolicy.NEVER},
            port_roles=NOBODY,
            services=NOBODY,
            required=frozenset({MASTER}),
            pod_names={MASTER: "elasticdl-{job}-master"},
        )
    }
