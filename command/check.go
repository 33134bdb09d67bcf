package command

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"sealcar/config"
	"sealcar/sidecar"
)

func newCheck(p Process) *cobra.Command {
	var configFile string
	var textOnly bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Validate the configuration and print what is in effect",
		Long: `Validate the configuration, read the files that its routes name, and print what
is in effect. One line on standard error for each mistake, and exit status 1; one
that begins with "warning:" for what may be a mistake, and exit status 0.`,
		Args: cobra.NoArgs,
		RunE: failing(func(*cobra.Command, []string) error {
			c, err := config.Load(configSource(p, configFile))
			if mistakes, ok := errors.AsType[config.Mistakes](err); ok {
				// One line per mistake and nothing else, for scripts.
				_, _ = fmt.Fprintln(p.Stderr, visible(mistakes.Error()))
				return &exitError{status: 1}
			}
			if err != nil {
				return err
			}
			doubts, err := sidecar.CheckResidue(c)
			if !textOnly {
				err = errors.Join(err, sidecar.Check(c))
			}
			if err != nil {
				_, _ = fmt.Fprintln(p.Stderr, visible(err.Error()))
				return &exitError{status: 1}
			}
			for _, doubt := range doubts {
				_, _ = fmt.Fprintln(p.Stderr, "warning:", visible(doubt))
			}
			text, err := c.YAML()
			if err != nil {
				return err
			}
			_, err = p.Stdout.Write(text)
			return err
		}),
	}
	configFlag(cmd, &configFile)
	cmd.Flags().BoolVar(&textOnly, "text-only", false, "do not read the files that the configuration names: they may be elsewhere")
	return cmd
}
