// Command image writes sealcar's container image as an OCI archive: one tar file
// with an index of one image a platform, which `ctr images import`, `podman load`,
// `skopeo copy oci-archive:…` and `docker load` (containerd store) take. It needs
// static binaries and nothing else: no daemon, no registry, no base image.
//
// Start at main (main.go); image.go says what is in an image, archive.go how the
// file is written, parts.go what a binary is made of, licenses.go under which licences,
// and sbom.go tells both. image/Dockerfile makes the same image where a builder exists.
//
// An image holds the binary, the roots that Mozilla trusts (the same for everybody
// who builds this version, not those of the building machine), the texts of all
// licences below /licenses, and an empty state directory. There is no shell and no
// package manager, and the user is 65532. The same input gives the same bytes.
//
// Refused: a binary that does not say what it is made of, sources that are not the
// binary's, and code whose licence nobody knows.
//
// It is a module of its own, so that sealcar does not depend on what builds images.
package main
