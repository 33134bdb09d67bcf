package ark

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"sealcar/apierror"
)

// maxQuery bounds the parameters of a query string. The vendor's API has none on
// these endpoints.
const maxQuery = 100

// judgeQuery judges a query string by the policy, for it leaves in clear,
// as a member of the request's top level that is in no table: numbers and switches
// pass, text does not unless the policy lets it. api-version is what SDKs made for
// another vendor's deployments send.
func (c *chatRequest) judgeQuery(raw string, policy *Policy) error {
	if raw == "" {
		return nil
	}
	if strings.Count(raw, "&") >= maxQuery { // before any of them is read
		return apierror.BadRequest("invalid_query", "?", "the query string has more than "+strconv.Itoa(maxQuery)+" parameters; nothing was sent. Leave it out")
	}
	parameters, err := url.ParseQuery(raw)
	if err != nil { // it says what could not be read, which may be content
		return apierror.BadRequest("invalid_query", "?", "the query string is not name=value pairs joined by &, with percent-encoding; nothing was sent. Leave it out")
	}
	s := chatScan{policy: policy, chat: *c}
	for _, name := range slices.Sorted(maps.Keys(parameters)) { // so that reports are the same each time
		path := "?" + name
		if !isPlainName(name) {
			path = `?["` + shortened(name) + `"]`
		}
		if err := s.judge(func() string { return path }, exposureOfQuery(name, parameters[name])); err != nil {
			return err
		}
	}
	*c = s.chat
	return nil
}

func exposureOfQuery(name string, values []string) exposure {
	harmless := isPlainName(name) && len(values) == 1 && sayNothing(name, values[0])
	return unless(harmless, unknownParameter)
}

// maxParameterName bounds the name of a query parameter, in bytes: a longer one
// may itself be text.
const maxParameterName = 64

func isPlainName(name string) bool {
	return len(name) <= maxParameterName && memberName.MatchString(name)
}

// shortened is a name as an error shows it.
func shortened(name string) string {
	if len(name) <= maxParameterName {
		return name
	}
	return strings.ToValidUTF8(name[:maxParameterName], "") + "…"
}

// sayNothing tells of a parameter by a plain name whether its value does not say
// anything.
func sayNothing(name, value string) bool {
	if name == "api-version" {
		return isWord([]byte(value))
	}
	switch value {
	case "", "true", "false":
		return true
	default:
		_, err := strconv.ParseFloat(value, 64)
		return err == nil && len(value) <= maxWord
	}
}
