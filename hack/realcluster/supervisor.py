"""What runs the cluster, in namespaces of its own: starts everything, reports, and then does what commands ask for."""

import os
import sys
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kdl_runtime.errors import KdlError
from kdl_testing.envtest.fake_nodes import FakeNodes
from kdl_testing.envtest.process import Process, Program, tail
from realcluster import configs, control, dns, readiness, uplink
from realcluster.api import Api
from realcluster.components import Components
from realcluster.handover import ERROR, MACHINE_NETWORK, READY, Progress, Reporter
from realcluster.imagestore import ImageStore
from realcluster.layout import Layout
from realcluster.network import API_SERVICE, DNS_PORT, Network
from realcluster.node import Node, Surroundings
from realcluster.plan import COREDNS, Plan, read
from realcluster.server import Server

_START_SECONDS = 60.0
_API_NAME = "kubernetes.default.svc.cluster.local"


class Supervisor:
    """Starts a cluster in the namespaces of this process."""

    def __init__(self, layout: Layout, plan: Plan, report: Reporter) -> None:
        self._layout = layout
        self._plan = plan
        self._report = report

    def start(self, machine: int) -> Server:
        """Returns when pods can run in the cluster. KdlError if that cannot be had."""
        network = uplink.connect(machine, self._layout.cgroup)
        self._layout.network.write_text(f"{network.block}\n")
        self._report.step(f"namespaces and the network {network.block}")
        api = Api(self._layout, self._plan, network)
        around = Surroundings(self._layout, self._plan, network)
        with ThreadPoolExecutor() as executor:
            starting = executor.submit(api.control_plane.start)
            nodes = list(executor.map(lambda number: Node(around, number), range(1, self._plan.nodes + 1)))
            if self._plan.more_images:
                self._give_images(nodes)
            list(executor.map(self._start_containerd, nodes))
            self._report.step(f"containerd and the pause image on {', '.join(self._plan.node_names)}")
            starting.result()
            self._report.step(f"the control plane: {', '.join(self._plan.control_plane)}")
            naming = executor.submit(self._start_coredns, api, network)
            list(executor.map(lambda node: node.start_kubelet(api), nodes))
            coredns = naming.result()
        self._report.step("kubelets and CoreDNS")
        readiness.wait(api.control_plane, self._plan.node_names, f"The logs are in {self._layout.logs}.")
        self._report.step("nodes Ready, and the service account that pods have by default")
        if self._plan.fake_nodes:
            api.control_plane.create_fake_nodes(FakeNodes(self._plan.fake_nodes, tainted=True))
            self._report.step(f"fake nodes: {self._plan.fake_nodes}")
        central = {**api.control_plane.processes, COREDNS: coredns}
        return Server(Components(central, {node.name: node.processes for node in nodes}), nodes)

    def _give_images(self, nodes: Sequence[Node]) -> None:
        """What no cluster before had is imported on the first node, for all."""
        store = ImageStore(Path(self._plan.image_store))
        wanted = [Path(path) for path in self._plan.more_images]
        first, *others = nodes
        with store.locked(waits=lambda: self._report.step("waiting for another cluster, which gets its images")):
            store.give(first.containerd_root)
            if lacking := store.lacks(wanted):
                first.containerd.start()
                for archive in lacking:
                    first.import_archive(archive)
                    self._report.step(f"imported {archive.name}")
                first.containerd.stop()
                store.save(first.containerd_root, lacking)
            for node in others:
                store.give(node.containerd_root)
        self._report.step(f"images: {len(wanted)}, of which {len(lacking)} were not there yet")

    def _start_containerd(self, node: Node) -> None:
        node.containerd.start()
        for image in self._plan.images:
            node.import_archive(Path(image))

    def _start_coredns(self, api: Api, network: Network) -> Process:
        corefile = self._layout.directory / "Corefile"
        corefile.write_text(configs.corefile(network.control_plane, api.kubeconfig_of_coredns()))
        program = Program(
            name=COREDNS,
            argv=[self._plan.binaries[COREDNS], "-conf", str(corefile)],
            log=self._layout.logs / f"{COREDNS}.log",
            directory=self._layout.directory,
            env={"HOME": str(self._layout.directory)},
            ready=lambda: API_SERVICE in dns.addresses((str(network.control_plane), DNS_PORT), _API_NAME),
            start_timeout=_START_SECONDS,
        )
        process = Process(program)
        process.start()
        return process


def main(directory: str) -> None:
    """Reports to the standard output, and closes it when the cluster is ready or cannot be had."""
    layout = Layout(Path(directory))
    report = Reporter(sys.stdout)
    machine = int(os.environ[MACHINE_NETWORK])
    try:
        server = Supervisor(layout, read(layout.plan), report).start(machine)
        os.close(machine)
        listener = control.listen(layout)
    except KdlError as error:
        report.tell(Progress(ERROR, str(error)))
        sys.exit(1)
    except Exception:
        traceback.print_exc()
        end = "\n".join(tail(layout.supervisor_log))
        report.tell(Progress(ERROR, f"this is a mistake in hack/realcluster:\n{end}"))
        sys.exit(1)
    report.tell(Progress(READY))
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, sys.stdout.fileno())
    server.run(listener)
