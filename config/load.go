package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"

	"sealcar/filemode"
)

// maxFile bounds what is read of a configuration file, in bytes.
const maxFile = 1 << 20

// Source says where a configuration comes from. From weak to strong: Default,
// the file (or SEALCAR_CONFIG_YAML, which holds a whole file inline; giving
// both is an error), the SEALCAR_… variables of single keys.
type Source struct {
	Path    string   // the file; "" = SEALCAR_CONFIG of Environ, and without that none
	Environ []string // as os.Environ gives it; nil = no environment
	Dir     string   // absolute; relative paths outside a file are relative to it; "" = the working directory
}

// File is the absolute path of the file that Load would read, "" for none. It
// is what NewWatcher wants.
func (s Source) File() (string, error) {
	path := s.Path
	if path == "" {
		path = lookup(s.Environ)(variableFile)
	}
	if path == "" {
		return "", nil
	}
	dir, err := s.dir()
	if err != nil {
		return "", err
	}
	return absolute(path, dir), nil
}

// Load reads, completes and checks a configuration. What is wrong with its
// content is reported as Mistakes, all at once; other errors say that it could
// not be read. Whether files named in it exist is left to who opens them.
func Load(s Source) (*Config, error) {
	dir, err := s.dir()
	if err != nil {
		return nil, err
	}
	src, name, base, err := s.read(dir)
	if err != nil {
		return nil, err
	}
	given, mistakes, err := parse(src)
	if err != nil {
		return nil, fmt.Errorf("reading configuration %s: %w", name, err)
	}
	set, wrong := overrides(s.Environ, dir)
	mistakes = append(mistakes, wrong...)
	c, err := merge(given, set)
	if err != nil {
		return nil, fmt.Errorf("reading configuration %s: %w", name, err)
	}
	pasted := c.pasted() // before names become absolute
	c.complete(base, defaultStateDir(lookup(s.Environ)))
	for _, m := range append(pasted, c.mistakes()...) {
		if !mistakes.covers(m.Key) {
			mistakes = append(mistakes, m.from(set))
		}
	}
	if len(mistakes) > 0 {
		return nil, mistakes
	}
	return c, nil
}

// dir is the directory that relative paths outside a file are relative to.
func (s Source) dir() (string, error) {
	if s.Dir != "" {
		return s.Dir, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the working directory: %w", err)
	}
	return dir, nil
}

// read gives the text of the configuration, its name for messages, and the
// directory that relative paths in it are relative to.
func (s Source) read(dir string) (src []byte, name, base string, err error) {
	path, err := s.File()
	if err != nil {
		return nil, "", "", err
	}
	inline := lookup(s.Environ)(variableInline)
	switch {
	case path != "" && inline != "":
		return nil, "", "", fmt.Errorf("configuration given twice: file %q and %s; remove one", path, variableInline)
	case path != "":
		src, err = readFile(path)
		return src, fmt.Sprintf("%q", path), filepath.Dir(path), err
	case len(inline) > maxFile:
		return nil, "", "", fmt.Errorf("reading configuration %s: it is over %d bytes", variableInline, maxFile)
	case inline != "":
		return []byte(inline), variableInline, dir, nil
	default:
		return nil, "of the environment", dir, nil
	}
}

// readFile refuses a file that everybody may change: whoever did could have
// content sent anywhere. Secrets are not in it, so all may read it.
func readFile(path string) ([]byte, error) {
	src, err := filemode.ReadTrusted(path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("reading configuration %w", err)
	}
	return src, nil
}

// merge lays the given keys over the defaults and the overrides over both.
func merge(given map[string]any, set []override) (*Config, error) {
	defaults, err := settings(reflect.ValueOf(*Default()))
	if err != nil {
		return nil, err
	}
	v := viper.New()
	for key, value := range defaults {
		v.SetDefault(key, value)
	}
	if err := v.MergeConfigMap(given); err != nil {
		return nil, err
	}
	for _, o := range set {
		v.Set(o.key, o.value)
	}
	c := new(Config)
	err = v.UnmarshalExact(c, func(d *mapstructure.DecoderConfig) {
		d.WeaklyTypedInput = false
		d.DecodeHook = mapstructure.DecodeHookFuncType(convert)
	})
	return c, err
}

// convert reads sizes and durations, and gives each route its defaults, which
// viper does not do inside lists.
func convert(from, to reflect.Type, data any) (any, error) {
	switch {
	case isBytes(to) && from.Kind() == reflect.String:
		return ParseBytes(data.(string))
	case isDuration(to) && from.Kind() == reflect.String:
		return time.ParseDuration(data.(string))
	case to == reflect.TypeFor[Route]() && from.Kind() == reflect.Map:
		defaults, err := settings(reflect.ValueOf(NewRoute("")))
		if err != nil {
			return nil, err
		}
		return under(data.(map[string]any), defaults), nil
	default:
		return data, nil
	}
}

// under lays defaults under the given keys: what is given stays, lists whole.
func under(given, defaults map[string]any) map[string]any {
	for key, value := range defaults {
		has, ok := given[key]
		if !ok {
			given[key] = value
			continue
		}
		inner, isMap := value.(map[string]any)
		if has, ok := has.(map[string]any); ok && isMap {
			under(has, inner)
		}
	}
	return given
}

// complete brings the values to the form that Config promises: absolute paths,
// lower-case host names, defaults that depend on other keys.
func (c *Config) complete(base, stateDir string) {
	if c.StateDir == "" {
		c.StateDir = stateDir
	}
	for _, p := range c.paths() {
		if *p.value != "" {
			*p.value = absolute(*p.value, base)
		}
	}
	lower(c.AllowedHosts)
	lower(c.Egress.AllowedHosts)
	for i := range c.Routes {
		r := &c.Routes[i]
		r.Strict = r.Strict || c.Strict
		lower(r.Hosts)
		r.Upstream = strings.ToLower(r.Upstream) // scheme and host, nothing else is allowed there
		r.UpstreamProxy = strings.ToLower(r.UpstreamProxy)
		r.Certificate.Host = strings.ToLower(r.Certificate.Host)
		r.Credentials.Host = strings.ToLower(r.Credentials.Host)
		lower(r.Certificate.Revocation.AllowedHosts)
		lower(r.InlineImages.AllowedHosts)
		completeOpenAPI(r)
	}
}

func lower(names []string) {
	for i, name := range names {
		names[i] = strings.ToLower(name)
	}
}

func absolute(path, dir string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}
