package cases_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"text/template"

	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/txtar"
)

// testCase is one file, as README.md describes it.
type testCase struct {
	config, route string
	send          send
	request       message
	upstream      string // "" is the enclave and its echo
	want          want
	fails         []string // testdata/broken: what the runner has to say
}

// send says how a request is sent.
type send struct {
	Doors     []string `yaml:"doors"`      // nil is all of them
	HalfClose bool     `yaml:"half_close"` // the application sends no more, and says so
}

// message is an HTTP message before its placeholders are filled in.
type message struct {
	head, body string
	chunked    bool // each line of body is a chunk
}

// want is what must come of a case, at every door.
type want struct {
	Status   int               `yaml:"status"`   // 0: no reply at all
	Code     string            `yaml:"code"`     // of sealcar's error document; "" is none
	Param    *string           `yaml:"param"`    // of the same; nil is any
	Header   map[string]string `yaml:"header"`   // of the reply; "" must not be there
	Body     *string           `yaml:"body"`     // of the reply, to the byte
	Matches  []string          `yaml:"matches"`  // expressions that the reply's body matches
	Text     *string           `yaml:"text"`     // the content of the reply's first choice, its events joined
	Broken   bool              `yaml:"broken"`   // the reply does not end as HTTP has it
	Upstream string            `yaml:"upstream"` // "nothing", not one byte; or the number of chats
	Receives []string          `yaml:"receives"` // expressions that each chat matches, head and body, as it reached the upstream
	Clear    []string          `yaml:"clear"`    // JSON paths at which the canary is in clear in each chat
}

const (
	ordinaryHead = "${head}\nContent-Type: application/json\nContent-Length: ${length}"
	chunkedHead  = "${head}\nContent-Type: application/json\nTransfer-Encoding: chunked"
)

func readCase(file string) (*testCase, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	c := &testCase{}
	var faults []error
	seen := map[string]bool{}
	for _, section := range txtar.Parse(text).Files {
		if seen[section.Name] {
			faults = append(faults, fmt.Errorf("the section %q is there twice", section.Name))
		}
		seen[section.Name] = true
		if err := c.read(section.Name, string(section.Data)); err != nil {
			faults = append(faults, fmt.Errorf("section %q: %w", section.Name, err))
		}
	}
	return c, errors.Join(append(faults, c.check())...)
}

func (c *testCase) read(name, data string) error {
	switch name {
	case "config":
		c.config = data
	case "route":
		c.route = data
	case "send":
		return decode(data, &c.send)
	case "head":
		c.request.head = strings.TrimSuffix(data, "\n")
	case "body":
		c.request.body = strings.TrimSuffix(data, "\n")
	case "chunks":
		c.request.body, c.request.chunked = data, true
	case "upstream":
		c.upstream = data
	case "want":
		return decode(data, &c.want)
	case "fails":
		c.fails = strings.Split(strings.TrimSpace(data), "\n")
	default:
		return errors.New("it is unknown")
	}
	return nil
}

func decode(data string, v any) error {
	d := yaml.NewDecoder(strings.NewReader(data))
	d.KnownFields(true)
	return d.Decode(v)
}

// check refuses cases that would prove less than they seem to.
func (c *testCase) check() error {
	if c.want.Upstream == "" {
		return errors.New("want does not say what reaches the upstream")
	}
	for _, door := range c.send.Doors {
		if !slices.Contains(doors, door) {
			return fmt.Errorf("door %q is none of %v", door, doors)
		}
	}
	if c.send.Doors == nil {
		c.send.Doors = doors
		if c.request.head != "" || c.send.HalfClose {
			c.send.Doors = textDoors
		}
	}
	switch {
	case c.request.head != "":
	case c.request.chunked:
		c.request.head = chunkedHead
	default:
		c.request.head = ordinaryHead
	}
	return nil
}

// values are what placeholders stand for: functions of text/template.
type values template.FuncMap

// constants are the placeholders that mean the same everywhere.
func constants(canary string) values {
	return values{
		"canary": func() string { return canary },
		"base64": func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"crlf":   func() string { return "\r\n" },
		"repeat": func(n int, s string) string { return strings.Repeat(s, n) },
		"hex": func(digits string) (string, error) {
			b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
			return string(b), err
		},
	}
}

// with is v and one more.
func (v values) with(name string, value any) values {
	more := maps.Clone(v)
	more[name] = value
	return more
}

func (v values) expand(text string) (string, error) {
	t, err := template.New("").Delims("${", "}").Funcs(template.FuncMap(v)).Parse(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, nil)
	return b.String(), err
}

// bytes is the message as it is sent: lines of the head end in CRLF, the body is
// what it is.
func (m message) bytes(v values) ([]byte, error) {
	body, err := v.expand(m.body)
	if err != nil {
		return nil, err
	}
	if m.chunked {
		body = chunks(body)
	}
	head, err := v.with("length", func() int { return len(body) }).expand(m.head)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for line := range strings.SplitSeq(head, "\n") {
		b.WriteString(line + "\r\n")
	}
	b.WriteString("\r\n" + body)
	return b.Bytes(), nil
}

// chunks makes a chunk of each line (RFC 9112 section 7.1).
func chunks(lines string) string {
	var b strings.Builder
	for line := range strings.Lines(lines) {
		line = strings.TrimSuffix(line, "\n")
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(line), line)
	}
	return b.String() + "0\r\n\r\n"
}

// parseMessage splits what a section holds of a message.
func parseMessage(text string) message {
	head, body, _ := strings.Cut(text, "\n\n")
	return message{head: strings.TrimSuffix(head, "\n"), body: body}
}
