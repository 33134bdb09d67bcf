// Package kubeprobe has a kubelet record an Event of Kubernetes for a pod that
// works and has something to tell, such as a configuration that it has not taken
// over. The pod needs no right at the cluster's API for that: a kubelet takes an
// HTTP probe that is redirected to another host for a success, follows it nowhere,
// and records a Warning with the reason ProbeWarning and the body of the answer.
// https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/#http-probes
// (Kubernetes 1.29 to 1.36: pkg/probe/http/http.go, DoHTTPProbe and RedirectChecker;
// pkg/kubelet/prober/prober.go, probe)
//
// A problem is told for 15 seconds, so the probe's periodSeconds has to be less than
// 15; the charts' is 5, where Kubernetes' default is 10. Its path has Query.
//
// Start at Warning. What it says is on a port without authentication, and all who
// may read Events see it: say what is wrong, never what is in a file.
package kubeprobe
