package command

import (
	"fmt"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"

	"sealcar/config"
)

// newLogger logs to standard error: JSON, or lines for humans on a terminal.
func newLogger(p Process, c config.Log) (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(c.Level)
	if err != nil {
		return zerolog.Nop(), fmt.Errorf("log.level %q: %w", c.Level, err)
	}
	out := p.Stderr
	if f, ok := out.(*os.File); c.Format == "console" || c.Format == "auto" && ok && isatty.IsTerminal(f.Fd()) {
		out = zerolog.ConsoleWriter{Out: p.Stderr, TimeFormat: time.TimeOnly, NoColor: p.Getenv("NO_COLOR") != ""}
	}
	return zerolog.New(out).Level(level).With().Timestamp().Logger(), nil
}
