package ark

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"sealcar/rewrite"
)

// Mode says what is done with what the protocol cannot seal. What is let through
// is reported by its path.
type Mode string

// The modes, from the default to the one that guards nothing.
const (
	ModeDefault     Mode = ""             // known parameters beside the content pass; unknown ones and content are refused
	ModeRefuse      Mode = "refuse"       // everything is refused
	ModeReport      Mode = "report"       // unknown parameters outside messages pass too; content is refused
	ModeUnsafeAllow Mode = "unsafe_allow" // content passes too
)

// lets says whether a mode lets through what exposes as much as e.
func (m Mode) lets(e exposure) bool {
	switch m {
	case ModeDefault:
		return e <= knownResidue
	case ModeReport:
		return e <= unknownParameter
	case ModeUnsafeAllow:
		return true
	default:
		return e == nothing
	}
}

// PolicyOptions are what a Policy is made of; the zero value is the default.
type PolicyOptions struct {
	Mode       Mode
	Exceptions []Exception // the first that fits counts; one that never can is refused
	Strip      []string    // members of the request's top level that are taken out before it is sent
	MaxValues  int         // of one request, as far as they are looked at; 0 means 1,000,000
}

const defaultMaxValues = 1_000_000

// Policy is what is done with what the protocol cannot seal in requests. It is
// only read, so one may serve many requests at once.
type Policy struct {
	mode       Mode
	exceptions []Exception
	maxValues  int
	shape      *rewrite.Shape // with what is to be stripped
	doubts     []string       // about the exceptions
}

//nolint:gochecknoglobals // immutable tables
var (
	requestShape = shapeOf(requestTable)
	replyShape   = shapeOf(replyTable)
	failureShape = shapeOf(failureTable)

	defaultPolicy = &Policy{maxValues: defaultMaxValues, shape: requestShape}
)

var memberName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// NewPolicy makes a policy, or says which of the options does not make sense.
func NewPolicy(o PolicyOptions) (*Policy, error) {
	if !knownMode(o.Mode) {
		return nil, fmt.Errorf("residue mode %q: there is none of that name", o.Mode)
	}
	p := &Policy{mode: o.Mode, exceptions: slices.Clone(o.Exceptions), maxValues: o.MaxValues, shape: requestShape}
	if p.maxValues <= 0 {
		p.maxValues = defaultMaxValues
	}
	if err := p.strip(o.Strip); err != nil {
		return nil, err
	}
	return p, p.checkExceptions()
}

// strip makes the shape one with what is taken out.
func (p *Policy) strip(names []string) error {
	if len(names) == 0 {
		return nil
	}
	body := *requestShape
	body.Fields = maps.Clone(body.Fields)
	for _, name := range names {
		if !memberName.MatchString(name) || name == "model" || name == "messages" || name == "stream" {
			return fmt.Errorf("stripping %q: it is no member that a request can do without", name)
		}
		if _, like := below(&body, name); like != "" {
			return fmt.Errorf("stripping %q: a request with that name is refused always, for it differs from %q only in case", name, like)
		}
		body.Fields[name] = &rewrite.Shape{Name: nameOf(stripped, name)}
	}
	p.shape = &body
	return nil
}

// Doubts says of the exceptions that may well be mistakes what is odd about them,
// one sentence each.
func (p *Policy) Doubts() []string { return slices.Clone(p.doubts) }

func knownMode(m Mode) bool {
	return slices.Contains([]Mode{ModeDefault, ModeRefuse, ModeReport, ModeUnsafeAllow}, m)
}

// withoutLinks is the policy for a chat whose linked images are to be fetched into
// it, so that their addresses do not leave.
func (p *Policy) withoutLinks() *Policy {
	q := *p
	q.exceptions = append([]Exception{{Path: "messages[*].content[*].image_url.url", Mode: ModeUnsafeAllow}}, p.exceptions...)
	return &q
}

// shapeFor is what a chat is scanned with: only what is sealed here is changed.
func (p *Policy) shapeFor(r reading) *rewrite.Shape {
	if r == toSeal {
		return p.shape
	}
	return requestShape
}

// modeAt is the mode for the value at path.
func (p *Policy) modeAt(path func() string) Mode {
	if len(p.exceptions) == 0 {
		return p.mode
	}
	at := path()
	for _, e := range p.exceptions {
		if covers(e.Path, at) {
			return e.Mode
		}
	}
	return p.mode
}
