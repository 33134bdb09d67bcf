// Package webhook adds the sidecar to pods as a mutating admission webhook, for
// clusters that have no MutatingAdmissionPolicy (Kubernetes before 1.36). It
// speaks admission.k8s.io/v1 with types of its own, for what it needs of the API
// is a page, and the API's own module brings in more than all of sealcar has.
// https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
//
// Start at Inject (inject.go), a pure function from a pod and the Settings to a
// JSON Patch. The Settings hold the very container, volumes and variables that
// the chart's policy adds: the chart renders both from one template, so that this
// package names no image, port or path. Handler (admission.go) is Inject behind
// HTTP, Serve (serve.go) is the server, package certs is its certificate.
//
// Which pods are asked about is in the MutatingWebhookConfiguration. Let through
// as they are: pods of excluded namespaces, sealcar's own, those with
// hostNetwork, and those with a sidecar that is their own or another injector's.
// Refused with a message for their author: pods with a label or annotations that
// cannot be followed, with volumes or an ordinary container that have our names, and
// with options of the JVM that cannot be joined with ours. Refused altogether:
// whatever is no review of a new pod, and one of more than 2 MiB.
package webhook
