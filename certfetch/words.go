package certfetch

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxWords bounds what is repeated of somebody else's text, in bytes.
const maxWords = 500

// clean makes another server's words fit for our messages and logs: without
// the secrets that were sent to it, on one line, without control or direction
// characters, and not too long.
func clean(words string, secrets []string) string {
	words = redact(words, secrets)
	words = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == utf8.RuneError, !unicode.IsPrint(r):
			return -1
		default:
			return r
		}
	}, words)
	words = redact(strings.Join(strings.Fields(words), " "), secrets) // what was taken out may have split one
	if len(words) <= maxWords {
		return words
	}
	cut := maxWords
	for !utf8.RuneStart(words[cut]) {
		cut--
	}
	return words[:cut] + "…"
}

func redact(words string, secrets []string) string {
	for _, s := range secrets {
		if s != "" {
			words = strings.ReplaceAll(words, s, "[redacted]")
		}
	}
	return words
}

// cleaned is an error whose words have been through clean. It is still of the
// same kind to errors.Is and errors.As.
type cleaned struct {
	words string
	cause error
}

func (e *cleaned) Error() string { return e.words }

func (e *cleaned) Unwrap() error { return e.cause }

// cleanError makes an error that may quote another server fit for a log.
func cleanError(err error, secrets []string) error {
	if err == nil {
		return nil
	}
	return &cleaned{words: clean(err.Error(), secrets), cause: err}
}

// quoted sets words off in a sentence that goes on after them.
func quoted(words string) string {
	if words == "" {
		return ""
	}
	return " (" + words + ")"
}

// name gives a model's name as messages have it.
func name(model string) string { return fmt.Sprintf("%.100q", model) }
