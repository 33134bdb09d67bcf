// Package filemode reads the files whose modes matter: those that hold secrets,
// which not everybody may read, and those that decide what is trusted, which not
// everybody may write.
//
// Start at ReadSecret and ReadTrusted (filemode.go) for what somebody else put
// there; ReadWord is ReadSecret for a key or a token, a KeyPair reads a certificate
// with its key. What sealcar keeps itself is in a Dir (dir.go, kept.go), which
// writes too: whole or not at all.
//
// What is refused: a secret that others than owner and group may read, or that
// the group may write; a trusted file that everybody may write; what is no
// regular file; more than the limit; a private directory that is a symbolic link,
// belongs to somebody else, or lets others in. The mode is that of the file that was
// opened, so links, which is how Kubernetes mounts Secrets, are followed.
// Of what sealcar keeps, anything that others may use or own is refused, and links
// are, for nobody but sealcar should have put one there.
// Errors begin with the file's name; callers put before it what it is for.
//
// A file system that is mounted read-only is written by nobody through that
// mount, whatever the modes say. A read-only tmpfs or ramfs is how Kubernetes,
// Docker and systemd hand secrets to those who run inside: only they see that
// mount, so Kubernetes' default mode 0644 is fine there. No setting does away
// with these rules: it would be for every file and for good, where one chmod
// mends the one.
//
// Source: statfs(2); Kubernetes documents "Secrets" (defaultMode, tmpfs, always
// mounted read-only) and "Configure a Pod to Use a Projected Volume".
package filemode
