package server

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"
)

const operations = "../../docs/operations.md"

func readOperations(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Whoever adds a setting adds its row to the table, with its default.
func TestSettingsAreDocumented(t *testing.T) {
	text := readOperations(t)
	t.Setenv("SLURM_CONF", "") // the default of --slurm-conf
	flags := newCommand(Streams{}, "").Flags()
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" || f.Name == "version" {
			return
		}
		def := ""
		if f.DefValue != "" && f.DefValue != "[]" {
			def = "`" + f.DefValue + "` "
		}
		row := fmt.Sprintf("\n| `--%s` | %s| ", f.Name, def)
		if !strings.Contains(text, row) {
			t.Errorf("%s has no row %q in its table of settings", operations, strings.TrimSpace(row))
		}
	})
	for _, m := range regexp.MustCompile("(?m)^\\| `--([a-z-]+)` \\|").FindAllStringSubmatch(text, -1) {
		if flags.Lookup(m[1]) == nil {
			t.Errorf("%s describes --%s, which stintd does not have", operations, m[1])
		}
	}
}

func TestKeysOfClustersAreDocumented(t *testing.T) {
	text := readOperations(t)
	for _, of := range []reflect.Type{reflect.TypeFor[ClusterConfig](), reflect.TypeFor[ClusterOptions]()} {
		for field := range of.Fields() {
			key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
			if key != "" && !regexp.MustCompile("(?m)^\\| [^|]*`"+key+"`[^|]* \\|").MatchString(text) {
				t.Errorf("%s does not describe the key %s of a cluster", operations, key)
			}
		}
	}
}

func TestKeysOfSharesAreDocumented(t *testing.T) {
	text := readOperations(t)
	for _, of := range []reflect.Type{reflect.TypeFor[SharesConfig](), reflect.TypeFor[GroupConfig]()} {
		for field := range of.Fields() {
			if key := field.Tag.Get("yaml"); !regexp.MustCompile("(?m)^\\| `" + key + "` \\|").MatchString(text) {
				t.Errorf("%s does not describe the key %s of shares", operations, key)
			}
		}
	}
}

func TestKeysOfSignInAreDocumented(t *testing.T) {
	text := readOperations(t)
	for field := range reflect.TypeFor[OIDCConfig]().Fields() {
		key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if !regexp.MustCompile("(?m)^\\| [^|]*`" + key + "`[^|]* \\|").MatchString(text) {
			t.Errorf("%s does not describe the key %s of oidc", operations, key)
		}
	}
}

func TestMetricsAreDocumented(t *testing.T) {
	text := readOperations(t)
	descs := make(chan *prometheus.Desc, 100)
	(&stintCollector{}).Describe(descs)
	close(descs)
	var names []string
	for d := range descs {
		name := regexp.MustCompile(`fqName: "([^"]+)"`).FindStringSubmatch(d.String())
		if len(name) != 2 {
			t.Fatalf("no name in %s", d)
		}
		names = append(names, name[1])
		if !strings.Contains(text, "\n| `"+name[1]+"` | ") {
			t.Errorf("%s does not describe the metric %s", operations, name[1])
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `(stint_[a-z_]+)` \\|").FindAllStringSubmatch(text, -1) {
		if !slices.Contains(names, m[1]) {
			t.Errorf("%s describes the metric %s, which there is not", operations, m[1])
		}
	}
}
