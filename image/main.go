package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

const usage = `usage: image [flags] PLATFORM=BINARY…   write an OCI archive, e.g. linux/amd64=bin/sealcar-amd64
       image -roots FILE                    write the root certificates alone, as PEM
       image -sbom FILE BINARY              write what an image of it holds, as CycloneDX
       image -licenses FILE BINARY          write the licences of what a binary is made of, as CSV
       image -license-texts DIR BINARY      write their texts, and that of the roots, below a folder
`

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		_, _ = io.WriteString(stderr, usage)
		flags.PrintDefaults()
	}
	out := flags.String("o", "sealcar.tar", "the archive to write")
	name := flags.String("name", "", "reference that the archive is imported under, e.g. registry.example/sealcar:v1 (required)")
	path := flags.String("path", "sealcar", "where the binary is in the image, and its entrypoint")
	version := flags.String("version", "devel", "version, for the labels")
	revision := flags.String("revision", "", "commit, for the labels")
	created := flags.String("created", "0", "time of the build in unix seconds, as SOURCE_DATE_EPOCH has it")
	roots := flags.String("roots", "", "write the root certificates to this file and do nothing else")
	sbom := flags.String("sbom", "", "write what the one BINARY that is named is made of to this file (CycloneDX) and do nothing else")
	licenses := flags.String("licenses", "", "write the licences of what the one BINARY that is named is made of to this file (CSV) and do nothing else")
	texts := flags.String("license-texts", "", "write the texts of all licences below this folder and do nothing else")
	own := flags.String("own-license", "../LICENSE", "file with the licence of the binary itself")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case *sbom != "":
		return writeSBOM(*sbom, flags.Arg(0), *version)
	case *licenses != "":
		return writeLicenses(*licenses, flags.Arg(0))
	case *texts != "":
		return writeTexts(*texts, flags.Arg(0), *own)
	case *roots != "":
		return os.WriteFile(*roots, rootsPEM(), 0o644) // #nosec G306 -- they are public
	}
	if *name == "" || flags.NArg() == 0 {
		flags.Usage()
		return errors.New("-name and at least one PLATFORM=BINARY are needed")
	}
	seconds, err := strconv.ParseInt(*created, 10, 64)
	if err != nil {
		return fmt.Errorf("-created %q: %w", *created, err)
	}
	s := spec{Name: *name, Path: *path, Version: *version, Revision: *revision, Created: time.Unix(seconds, 0).UTC()}
	for _, arg := range flags.Args() {
		platform, file, ok := strings.Cut(arg, "=")
		if !ok {
			return fmt.Errorf("%q is not of the form PLATFORM=BINARY", arg)
		}
		if s.Binaries, err = s.Binaries.add(platform, file, *own); err != nil {
			return err
		}
	}
	return writeArchive(*out, s)
}
