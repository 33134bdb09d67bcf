package command

import (
	"crypto/fips140"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the Makefile through -ldflags; a plain `go build` leaves it
// to the build information.
var version string

// Version is the version of this binary: a tag, or "devel" with the commit when
// it is known.
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}

func newVersion(p Process) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, the Go it was built with, and the FIPS state",
		Args:  cobra.NoArgs,
		RunE: failing(func(*cobra.Command, []string) error {
			fips := "off"
			if fips140.Enabled() {
				fips = "on, module " + fips140.Version()
			}
			_, err := fmt.Fprintf(p.Stdout, "sealcar %s\n%s %s/%s\nFIPS 140-3 mode: %s\n",
				Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, fips)
			return err
		}),
	}
}
