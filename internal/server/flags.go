package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/executor/local"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/webui"
)

// envPrefix begins the environment variable of each flag: --max-active is STINTD_MAX_ACTIVE.
const envPrefix = "STINTD_"

// define makes the flags of a server. Each is also an environment variable
// and a key of the configuration file, of the same name.
func define(f *pflag.FlagSet, c *Config) {
	f.StringVar(&c.Data, "data", "stint-data", "folder of jobs and workspaces; with Slurm on a shared file system")
	f.StringVar(&c.State, "state", "", "folder of the database, on a local disk; empty means state below --data")
	f.BoolVar(&c.StateOnNetworkFS, "state-on-network-fs", false, "start although --state is on a network file system, where the database may be damaged or lost")
	defineBackup(f, &c.Backup)
	f.StringVar(&c.Services, "services", "services", "folder of the services, one folder a service")
	defineListen(f, c)
	f.StringVar(&c.Executor, "executor", localExecutor, "where jobs run that do not say: local, slurm, or the name of a cluster in the file")
	f.StringVar(&c.SlurmConf, "slurm-conf", os.Getenv("SLURM_CONF"), "slurm.conf of the cluster of --executor slurm; empty means Slurm's own default (env SLURM_CONF too)")
	f.StringVar(&c.JobReportURL, "job-report-url", "", "where jobs' commands reach this server to tell of themselves, for example https://stint.example.org; empty means at --listen, where the nodes of a cluster can reach that; none means nowhere")
	f.StringVar(&c.Auth, "auth", "auto", "who may call without a token: dev (whoever reaches the server is the local user; loopback only), token (nobody), auto (dev on loopback, token otherwise)")
	defineLives(f, c)
	f.IntVar(&c.CPUs, "cpus", 0, "cores for local jobs; 0 means all")
	f.Var(bytesValue{&c.MemoryBytes}, "memory", "memory for local jobs, for example 16G; 0 means all")
	f.Var(newGPUs(&c.GPUs), "gpus", "graphics processors for local jobs, which are handed out by index: auto (the NVIDIA ones of this machine), a number, or indexes such as 0,2 or 1-3; 0 means none")
	f.Var(&namedValue{&c.Resources}, "resources", "what else local jobs may have together, by names of your own, for example matlab=4,db-slots=20; a job that asks for more or another name is refused")
	f.DurationVar(&c.MaxTimeLimit, "max-time-limit", 0, "longest time limit that a job may ask for, and that of jobs without one, for example 168h; 0 means any")
	f.DurationVar(&c.Grace, "grace", 10*time.Second, "time a cancelled job has to end by itself before it is killed")
	f.StringVar(&c.Sandbox, "sandbox", local.SandboxOff, "bubblewrap sandbox for local jobs: off, auto (where it works), require (the server does not start where it does not)")
	f.StringSliceVar(&c.SandboxBind, "sandbox-bind", nil, "files and folders that all local jobs may read in the sandbox, for example /opt/conda")
	f.Var(newBytes(&c.OutputHead, 16<<20), "output-head", "bytes kept of the beginning of each output stream of a job")
	f.Var(newBytes(&c.OutputTail, 8<<20), "output-tail", "bytes kept of the end of each output stream of a job, once and at most twice")
	f.IntVar(&c.MaxRunningPerOwner, "max-running-per-owner", 0, "jobs of one owner on executors at a time; 0 means any number")
	f.IntVar(&c.MaxActivePerOwner, "max-active-per-owner", 0, "queued and running jobs of one owner; 0 means any number")
	f.IntVar(&c.MaxActive, "max-active", 0, "queued and running jobs of all owners; 0 means any number")
	f.Var(bytesValue{&c.Quota}, "quota", "bytes of workspace files of one owner, for example 100G, with 4K for each file and folder; 0 means no limit")
	f.Int64Var(&c.QuotaEntries, "quota-entries", 1_000_000, "files and folders in the workspace of one owner; 0 means any number")
	f.IntVar(&c.MaxDepth, "max-depth", 32, "names that a path in a workspace may have; 0 means as many as fit into 1,024 bytes")
	f.IntVar(&c.MaxUploads, "max-uploads", 100, "uploads of one owner that are not finished, at least 1")
	f.DurationVar(&c.UploadLife, "upload-life", 7*24*time.Hour, "time that an upload that was broken off is kept for, after its last bytes")
	f.Var(newBytes(&c.MinFreeSpace, 256<<20), "min-free-space", "room on the disks of --data and --state below which nothing new is taken and no job starts; 0 means no floor")
	f.Int64Var(&c.MinFreeInodes, "min-free-inodes", 4096, "inodes on these disks below which the same holds; 0 means no floor")
	defineLimits(f, &c.Limits)
	f.Int64Var(&c.MaxKeptPerOwner, "max-kept-per-owner", job.RowOf(job.QuotaKeptJobs).Limit, "finished jobs that one owner keeps against --keep-for and --keep-at-most; 0 means any number")
	f.Int64Var(&c.MaxAudited, "max-audited-per-user", job.RowOf(job.QuotaAuditPerDay).Limit, "entries of the audit that one user makes a day by submissions and the like, and by reading jobs of others, ten times as many for operators and service accounts; 0 means any number")
	f.Var(&keepForValue{&c.KeepFor}, "keep-for", "how long finished jobs are kept, by state, for example completed=90d,failed=30d; what is not named is kept for ever")
	f.Var(&keepAtMostValue{&c.KeepAtMost}, "keep-at-most", "how many finished jobs are kept, by state, for example completed=1000000")
	f.Var(daysValue{&c.KeepAuditFor}, "keep-audit-for", "how long entries of the audit are kept, for example 400d, at least 1d; 0 means for ever")
	f.DurationVar(&c.Heartbeat, "heartbeat", 15*time.Second, "longest silence on a stream")
	f.DurationVar(&c.DrainTimeout, "drain-timeout", 10*time.Second, "time that calls have to end when the server stops")
	f.StringVar(&c.IssueWebhook, "issue-webhook", "", "URL that gets each problem report of a user as JSON by POST")
	defineSite(f, &c.Site)
	defineTLS(f, &c.TLS)
	f.StringVar(&c.LogLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&c.AccessLog, "access-log", "errors", "calls that are logged: none, errors or all")
	f.StringVar(&c.LogFormat, "log-format", "text", "text or json")
}

// defineListen makes the flags for where the server listens, and which sites may call it.
func defineListen(f *pflag.FlagSet, c *Config) {
	f.StringVar(&c.Listen, "listen", "127.0.0.1:8421", "HOST:PORT for gRPC, gRPC-Web, Connect, REST and the pages")
	f.StringVar(&c.GRPCListen, "grpc-listen", "", "HOST:PORT for gRPC alone, besides --listen: for proxies with many calls; empty means none")
	f.StringVar(&c.PathPrefix, "path-prefix", "", "path below which a proxy publishes the server, for example /stint")
	f.StringSliceVar(&c.AllowedHosts, "allowed-hosts", nil, "host names that requests may name besides this machine's loopback; empty allows all with --auth token, and none without")
	f.StringSliceVar(&c.TrustedOrigins, "trusted-origins", nil, "origins whose pages may post, for example https://gateway.example.org")
	f.StringSliceVar(&c.CORSOrigins, "cors-origins", nil, "origins whose pages may call with a bearer token, for example https://portal.example.org")
	f.StringVar(&c.ContentOrigin, "content-origin", "", "origin at which browsers show results with scripts, for example https://results.example.org: another name of this server; empty means that they are saved")
	f.StringSliceVar(&c.EmbedOrigins, "embed-origins", nil, "origins whose pages may show the indicator, for example https://gateway.example.org")
}

// defineSite makes the flags for how the gateway names itself on the pages.
func defineSite(f *pflag.FlagSet, s *webui.Site) {
	f.StringVar(&s.Name, "site-name", "", "name of the gateway in the header and titles of the pages; empty means Stint")
	f.StringVar(&s.Logo, "site-logo", "", "picture beside the name: an SVG, PNG or WebP file of at most 64 KiB")
	f.StringVar(&s.Colour, "site-colour", "", "main colour of the pages as #rrggbb, dark enough to be read on white")
	f.StringVar(&s.HelpURL, "site-help-url", "", "address of the gateway's help: http, https or mailto")
	f.StringVar(&s.TermsURL, "site-terms-url", "", "address of the gateway's terms of use")
}

// fill sets what the command line does not: from the environment, and what that
// does not from the file. All mistakes are reported at once. sections are the keys of
// the file that hold more than a flag can, with what they are decoded into.
func fill(f *pflag.FlagSet, env func(string) (string, bool), file string, sections map[string]any) error {
	values, err := readFile(file, sections)
	if err != nil {
		return err
	}
	var errs []error
	f.VisitAll(func(fl *pflag.Flag) {
		fromFile, inFile := values[fl.Name]
		delete(values, fl.Name)
		if fl.Changed {
			return
		}
		name := envPrefix + strings.ToUpper(strings.ReplaceAll(fl.Name, "-", "_"))
		if v, ok := env(name); ok {
			errs = append(errs, set(f, fl.Name, v, name))
		} else if inFile {
			errs = append(errs, set(f, fl.Name, fromFile, file))
		}
	})
	for _, name := range sortedKeys(values) {
		errs = append(errs, fmt.Errorf("%s: %q is no setting; see stintd --help", file, name))
	}
	return errors.Join(errs...)
}

func set(f *pflag.FlagSet, name, value, from string) error {
	if err := f.Set(name, value); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	return nil
}

// readFile reads a YAML file with one key a setting. Lists and maps become what their flag would take.
func readFile(path string, sections map[string]any) (map[string]string, error) {
	if path == "" {
		return nil, nil //nolint:nilnil // no file, no values
	}
	nodes, err := readNodes(path)
	if err != nil {
		return nil, err
	}
	values := make(map[string]string, len(nodes))
	for name, n := range nodes {
		if into, ok := sections[name]; ok {
			if err := strict(&n, into); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", path, name, err)
			}
			continue
		}
		v, err := flat(&n)
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %s: %w", path, n.Line, name, err)
		}
		values[name] = v
	}
	return values, nil
}

// readNodes reads what stands under each key of a YAML file.
func readNodes(path string) (map[string]yaml.Node, error) {
	b, err := os.ReadFile(filepath.Clean(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no configuration file %s", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	var nodes map[string]yaml.Node
	if err := yaml.Unmarshal(b, &nodes); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return nodes, nil
}

// strict decodes a section and refuses keys that it does not have.
func strict(n *yaml.Node, into any) error {
	text, err := yaml.Marshal(n)
	if err != nil {
		return err
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func flat(n *yaml.Node) (string, error) {
	var parts []string
	switch n.Kind {
	case yaml.ScalarNode:
		return n.Value, nil
	case yaml.SequenceNode:
		for _, c := range n.Content {
			parts = append(parts, c.Value)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			parts = append(parts, n.Content[i].Value+"="+n.Content[i+1].Value)
		}
	default:
		return "", errors.New("is neither a value nor a list nor a map")
	}
	return strings.Join(parts, ","), nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// bytesValue is a flag for a size such as 512M or 2G, in powers of 1024.
type bytesValue struct{ n *int64 }

func newBytes(n *int64, def int64) bytesValue {
	*n = def
	return bytesValue{n}
}

var sizeRE = regexp.MustCompile(`^([0-9]+)([KMGTP]?)(?:i?B)?$`)

// Set reads a size.
func (v bytesValue) Set(s string) error {
	m := sizeRE.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return fmt.Errorf("%q is no size; write for example 512M or 2G", s)
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	shift := 0
	if m[2] != "" {
		shift = 10 * (strings.Index("KMGTP", m[2]) + 1)
	}
	if err != nil || n > math.MaxInt64>>shift {
		return fmt.Errorf("%q is too large", s)
	}
	*v.n = n << shift
	return nil
}

// String is the size in the largest unit that divides it.
func (v bytesValue) String() string {
	if v.n == nil || *v.n == 0 {
		return "0"
	}
	n, unit := *v.n, -1
	for n%1024 == 0 && unit < 4 {
		n, unit = n/1024, unit+1
	}
	if unit < 0 {
		return strconv.FormatInt(n, 10)
	}
	return strconv.FormatInt(n, 10) + string("KMGTP"[unit])
}

// Type is the word for the value in the help.
func (v bytesValue) Type() string { return "size" }

// parseDays reads a duration. Days are written 90d.
func parseDays(t string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(t, "d"); ok {
		n, err := strconv.Atoi(days)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(t)
}

// daysValue is a flag for a duration in which days may be written 90d.
type daysValue struct{ d *time.Duration }

// Set reads a duration that is not negative.
func (v daysValue) Set(s string) error {
	d, err := parseDays(s)
	if err != nil || d < 0 {
		return fmt.Errorf("%q is no duration such as 90d or 36h", s)
	}
	*v.d = d
	return nil
}

// String is the duration.
func (v daysValue) String() string {
	if v.d == nil {
		return time.Duration(0).String()
	}
	return v.d.String()
}

// Type is the word for the value in the help.
func (v daysValue) Type() string { return "duration" }

// keepForValue is a flag for durations by final state. Days are written 90d.
type keepForValue struct{ m *map[string]time.Duration }

// Set reads STATE=DURATION, separated by commas.
func (v *keepForValue) Set(s string) error {
	got, err := byState(s, parseDays)
	*v.m = got
	return err
}

// String is empty: nothing is set by default.
func (v *keepForValue) String() string { return "" }

// Type is the word for the value in the help.
func (v *keepForValue) Type() string { return "state=duration,..." }

// keepAtMostValue is a flag for numbers by final state.
type keepAtMostValue struct{ m *map[string]int }

// Set reads STATE=NUMBER, separated by commas.
func (v *keepAtMostValue) Set(s string) error {
	got, err := byState(s, strconv.Atoi)
	*v.m = got
	return err
}

// String is empty: nothing is set by default.
func (v *keepAtMostValue) String() string { return "" }

// Type is the word for the value in the help.
func (v *keepAtMostValue) Type() string { return "state=number,..." }

func byState[V int | time.Duration](s string, parse func(string) (V, error)) (map[string]V, error) {
	m := make(map[string]V)
	for part := range strings.SplitSeq(s, ",") {
		name, text, ok := strings.Cut(strings.TrimSpace(part), "=")
		if _, known := finalStates[name]; !ok || !known {
			return nil, fmt.Errorf("%q is not completed=, failed= or cancelled= with a value", part)
		}
		v, err := parse(text)
		if err != nil || v <= 0 {
			return nil, fmt.Errorf("%q has no positive value", part)
		}
		m[name] = v
	}
	return m, nil
}

// defineLives makes the flags of how long credentials last.
func defineLives(f *pflag.FlagSet, c *Config) {
	f.DurationVar(&c.SessionIdle, "session-idle", auth.DefaultSessionIdle, "a browser that is not used for so long has to sign in again")
	f.DurationVar(&c.SessionLife, "session-life", auth.DefaultSessionLife, "a browser has to sign in again after so long in any case")
	f.DurationVar(&c.MaxTokenLife, "max-token-life", 0, "how long an API token may live that is made over the API, for example 8760h; 0 means for ever")
}
