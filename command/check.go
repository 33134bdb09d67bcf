package command

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"sealcar/config"
)

func newCheck(p Process) *cobra.Command {
	var configFile string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Validate the configuration and print what is in effect",
		Args:  cobra.NoArgs,
		RunE: failing(func(*cobra.Command, []string) error {
			c, err := config.Load(configSource(p, configFile))
			if mistakes, ok := errors.AsType[config.Mistakes](err); ok {
				// One line per mistake and nothing else, for scripts.
				_, _ = fmt.Fprintln(p.Stderr, mistakes)
				return &exitError{status: 1}
			}
			if err != nil {
				return err
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
	return cmd
}
