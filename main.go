// Sealcar is a transparent encrypting proxy beside an unchanged application, and
// the enclave at the other end of the wire. See package command for its commands.
package main

import (
	"context"
	"os"

	"sealcar/command"
	"sealcar/hardening"
)

func main() {
	os.Exit(command.Main(context.Background(), command.Process{
		Name:    os.Args[0],
		Args:    os.Args[1:],
		Environ: os.Environ(),
		Stdin:   os.Stdin,
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
		Hardening: command.Hardening{
			HideMemory: hardening.HideMemory,
			DenyCores:  hardening.DenyCores,
		},
	}))
}
