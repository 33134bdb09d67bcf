package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sealcar/appenv"
	"sealcar/config"
	"sealcar/doctor"
	"sealcar/filemode"
	"sealcar/proxy"
)

// examineFlags say whose certificate is looked at, and with which API key.
type examineFlags struct {
	configFile string
	model      string
	keyFile    string
	json       bool
}

func (f *examineFlags) add(cmd *cobra.Command) {
	configFlag(cmd, &f.configFile)
	flags := cmd.Flags()
	flags.StringVarP(&f.model, "model", "m", "", "endpoint id or model name")
	flags.StringVar(&f.keyFile, "api-key-file", "", "file with an application's API key (default: the route's own credentials, if it has any)")
	flags.BoolVar(&f.json, "json", false, "print JSON")
}

// credential reads the API key, "" without a file.
func (f *examineFlags) credential() (string, error) {
	if f.keyFile == "" {
		return "", nil
	}
	key, err := filemode.ReadWord(f.keyFile)
	if err != nil {
		return "", fmt.Errorf("reading --api-key-file %w", err)
	}
	return key, nil
}

func newDoctor(p Process) *cobra.Command {
	var f examineFlags
	var probe bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Examine the way to the model step by step, and say what to mend",
		Long: `Examine the way of a chat from this machine to the model, one step at a time:
configuration, files, name, TCP, TLS and clock, endpoint certificate, revocation,
with --probe a sealed chat, and the environment that an application would need.
Each step says what was seen and what to do next. Exit status 1 if one failed.`,
		Args: cobra.NoArgs,
		RunE: failing(func(cmd *cobra.Command, _ []string) error {
			return examine(cmd.Context(), p, &f, probe)
		}),
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&probe, "probe", false, "send a sealed chat to --model too; the provider may charge for it")
	return cmd
}

func examine(ctx context.Context, p Process, f *examineFlags, probe bool) error {
	report, end := printFindings(p.Stdout, f.json)
	well := diagnose(ctx, p, f, probe, report)
	if err := end(); err != nil {
		return err
	}
	if !well {
		return &exitError{status: 1}
	}
	return nil
}

func diagnose(ctx context.Context, p Process, f *examineFlags, probe bool, report func(doctor.Finding)) (well bool) {
	credential, err := f.credential()
	if err != nil {
		report(doctor.Finding{Step: "api-key", Verdict: doctor.Bad, Saw: err.Error(), Next: "Name a file that holds an application's API key."})
		return false
	}
	c, err := config.Load(configSource(p, f.configFile))
	if err != nil {
		report(doctor.Finding{Step: "configuration", Verdict: doctor.Bad, Saw: err.Error(), Next: "Correct it; 'sealcar check' prints one line a mistake."})
		return false
	}
	report(doctor.Finding{Step: "configuration", Verdict: doctor.Good, Saw: fmt.Sprintf("valid, %d routes", len(c.Routes))})
	well = doctor.Examine(ctx, doctor.Options{Config: c, Model: f.model, Credential: credential, Probe: probe}, report)
	report(environment(p, c))
	return well
}

// environment looks for what an application started from here would need to go
// through the sidecar. Nothing of it is a fault: exec sets all of it.
func environment(p Process, c *config.Config) doctor.Finding {
	files := proxy.NewCAFiles(c)
	var missing []string
	for _, v := range appenv.Variables(settingsFor(c, "http://"+c.Listen, files), p.Getenv) {
		if p.Getenv(v.Name) != v.Value {
			missing = append(missing, v.Name)
		}
	}
	if len(missing) == 0 {
		return doctor.Finding{Step: "environment", Verdict: doctor.Good, Saw: "an application started from here goes through the sidecar at " + c.Listen}
	}
	return doctor.Finding{
		Step: "environment", Verdict: doctor.Unsure,
		Saw:  "an application started from here may go past the sidecar; not set for it: " + strings.Join(missing, " "),
		Next: "Start it by 'sealcar exec -- COMMAND', or set its base URL to http://" + c.Listen + "/v1.",
	}
}

// printFindings prints findings as they come, or as one JSON list at the end.
func printFindings(w io.Writer, asJSON bool) (report func(doctor.Finding), end func() error) {
	if asJSON {
		findings := []doctor.Finding{}
		return func(f doctor.Finding) { findings = append(findings, f) }, func() error { return printJSON(w, findings) }
	}
	route := ""
	return func(f doctor.Finding) {
		if f.Route != route {
			route = f.Route
			head := "route " + route
			if route == "" {
				head = "this environment"
			}
			_, _ = fmt.Fprintln(w, head)
		}
		_, _ = fmt.Fprintf(w, "  %-8s %-14s %s\n", f.Verdict, f.Step, visible(f.Saw))
		if f.Next != "" {
			_, _ = fmt.Fprintf(w, "  %-8s %-14s → %s\n", "", "", visible(f.Next))
		}
	}, func() error { return nil }
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// ago is how long ago t was, for people.
func ago(now, t time.Time) string { return now.Sub(t).Round(time.Second).String() }
