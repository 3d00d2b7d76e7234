package slurm

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stint-jobs/stint/internal/executor/batch"
)

// fieldEnd ends the fields before a job's name, which no other field of Slurm's has.
const fieldEnd = "\x1f"

// queueFields are squeue's -O. These names are in every release from 20.11 to
// 25.11; a name with a suffix but no width is not cut. The id comes twice, so that a row that was put
// together from two is seen. The name comes last.
var queueFields = []string{
	"JobID", "State", "Reason", "exit_code", "RestartCnt", "NodeList", "SubmitTime", "StartTime", "EndTime", "JobID", "Name",
}

// queueFormat ends each row with a mark that no name can have.
func queueFormat(m batch.Mark) string {
	return strings.Join(queueFields, ":"+fieldEnd+",") + ":" + rowEnd(m)
}

func rowEnd(m batch.Mark) string { return "\x1e" + string(m) }

// parseQueue reads squeue's answer. What is no row is an error: nothing may be concluded from the rest.
func parseQueue(out string, m batch.Mark) ([]batch.Row, error) {
	lines := strings.Split(out, rowEnd(m))
	if rest := strings.Trim(lines[len(lines)-1], "\n"); rest != "" {
		return nil, fmt.Errorf("squeue's answer ends with what is no row: %.200q", rest)
	}
	rows := make([]batch.Row, 0, len(lines))
	for _, line := range lines[:len(lines)-1] {
		r, err := parseRow(strings.TrimPrefix(line, "\n"))
		if err != nil {
			return nil, fmt.Errorf("squeue's answer has what is no row: %.200q: %w", line, err)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func parseRow(line string) (batch.Row, error) {
	f := strings.SplitN(line, fieldEnd, len(queueFields)) // the name has the rest, whatever is in it
	if len(f) != len(queueFields) || !isNumber(f[0]) || f[9] != f[0] || f[1] == "" {
		return batch.Row{}, errors.New("not the fields that were asked for")
	}
	r := batch.Row{ID: f[0], State: f[1], Node: unset(f[5]), Name: f[10]}
	var p fieldReader
	r.Code, r.Signal = p.exit(f[3])
	r.Restarts = p.count(f[4])
	r.Submit, r.Start, r.End = p.time(f[6]), p.time(f[7]), p.time(f[8])
	explain(&r, f[2])
	return r, p.err
}

// acctFields are sacct's -o, all known from 20.11 to 25.11. The id comes twice, the second time last, so that a
// row ends with it whatever is in the name.
var acctFields = []string{
	"JobIDRaw", "State", "ExitCode", "ElapsedRaw", "TotalCPU", "MaxRSS", "AllocTRES", "NodeList", "Submit", "Start", "End", "Reason", "JobName", "JobIDRaw",
}

// parseAccounts reads sacct's answer, whose fields end with a mark that no name can
// have. Rows of steps follow their job and are added to it. What is no row is an error.
func parseAccounts(out string, m batch.Mark) ([]batch.Account, error) {
	var all []batch.Account
	fields := strings.Split(out, string(m))
	for n := 0; len(fields) > 1; n++ {
		if len(fields) < len(acctFields) {
			return nil, fmt.Errorf("sacct's answer breaks off after %d rows", n)
		}
		f := slices.Clone(fields[:len(acctFields)])
		last, next, ok := strings.Cut(f[len(f)-1], "\n")
		if !ok || last != f[0] {
			return nil, fmt.Errorf("sacct's answer has what is no row: %.200q", strings.Join(f, "|"))
		}
		fields = fields[len(acctFields)-1:]
		fields[0] = next
		id, _, isStep := strings.Cut(f[0], ".")
		switch {
		case !isNumber(id): // a task of an array or a part of a heterogeneous job: none of ours
			if !othersPattern.MatchString(id) {
				return nil, fmt.Errorf("sacct's answer has a row of no job: %.200q", strings.Join(f, "|"))
			}
		case !isStep:
			a, err := parseAccount(f)
			if err != nil {
				return nil, fmt.Errorf("sacct's answer has a row that cannot be read: %.200q: %w", strings.Join(f, "|"), err)
			}
			all = append(all, a)
		case len(all) > 0 && all[len(all)-1].ID == id:
			addStep(&all[len(all)-1], f)
		}
	}
	if rest := strings.Trim(fields[0], "\n"); rest != "" {
		return nil, fmt.Errorf("sacct's answer ends with what is no row: %.200q", rest)
	}
	return all, nil
}

var othersPattern = regexp.MustCompile(`^\d+[_+]`)

func parseAccount(f []string) (batch.Account, error) {
	a := batch.Account{Row: batch.Row{ID: f[0], Node: unset(f[7]), Name: f[12]}}
	var p fieldReader
	a.State, a.UID, _ = strings.Cut(f[1], " by ")
	a.Code, a.Signal = p.exit(f[2])
	explain(&a.Row, f[11])
	a.Submit, a.Start, a.End = p.time(f[8]), p.time(f[9]), p.time(f[10])
	elapsed, _ := strconv.ParseFloat(f[3], 64)
	a.Usage.ElapsedSeconds = elapsed
	a.Usage.CPUSeconds = parseCPU(f[4])
	for tres := range strings.SplitSeq(f[6], ",") {
		switch name, value, _ := strings.Cut(tres, "="); name {
		case "cpu":
			if n, err := strconv.ParseInt(value, 10, 32); err == nil {
				a.Usage.CPUs = int32(n)
			}
		case "mem":
			a.Usage.MemoryBytes = parseBytes(value, 1<<20)
		}
	}
	return a, p.err
}

// addStep takes the largest memory of the steps; a job's own row never has it.
func addStep(a *batch.Account, step []string) {
	a.Usage.MaxRSSBytes = max(a.Usage.MaxRSSBytes, parseBytes(step[5], 1))
	a.Usage.CPUSeconds = max(a.Usage.CPUSeconds, parseCPU(step[4]))
}

// fieldReader reads fields from which something is concluded, and notes what it cannot read.
type fieldReader struct{ err error }

func (p *fieldReader) fail(what, s string) {
	if p.err == nil {
		p.err = fmt.Errorf("%q is no %s", s, what)
	}
}

// exit reads an exit code in either of its forms: `CODE:SIGNAL`, or a wait
// status as squeue before 23.02 gives it.
func (p *fieldReader) exit(s string) (code, signal int) {
	if c, sig, ok := strings.Cut(s, ":"); ok {
		code, codeErr := strconv.ParseUint(c, 10, 32)
		signal, signalErr := strconv.ParseUint(sig, 10, 32)
		if codeErr != nil || signalErr != nil {
			p.fail("exit code", s)
		}
		return int(code & 0xff), int(signal & 0x7f)
	}
	status, err := strconv.ParseUint(s, 10, 32)
	if err != nil && unset(s) != "" {
		p.fail("exit code", s)
	}
	if err != nil || status >= noValue {
		return 0, 0
	}
	if signal := int(status & 0x7f); signal != 0 {
		return 0, signal
	}
	return int(status >> 8 & 0xff), 0
}

// count reads a number that may be missing.
func (p *fieldReader) count(s string) int {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil && unset(s) != "" {
		p.fail("number", s)
	}
	if err != nil || n >= noValue {
		return 0
	}
	return int(n)
}

// time reads seconds since 1970, as SLURM_TIME_FORMAT=%s makes them.
func (p *fieldReader) time(s string) time.Time {
	if _, err := strconv.ParseInt(s, 10, 64); err != nil && unset(s) != "" {
		p.fail("time", s)
	}
	return parseTime(s)
}

// noValue is what Slurm's numbers are from on when there is none.
const noValue = 1<<32 - 2

// parseTime is fieldReader.time for a time that nothing rests on.
func parseTime(s string) time.Time {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || n >= noValue {
		return time.Time{}
	}
	return time.Unix(n, 0)
}

// parseCPU reads [DAYS-][HOURS:]MINUTES:SECONDS[.FRACTION] into seconds.
func parseCPU(s string) float64 {
	total := 0.0
	if days, rest, ok := strings.Cut(s, "-"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0
		}
		total, s = float64(n)*24, rest
		if strings.Count(s, ":") != 2 {
			return 0
		}
	}
	for i, part := range strings.Split(s, ":") {
		n, err := strconv.ParseFloat(part, 64)
		if err != nil || !(n >= 0 && n < 1e6) || i > 2 {
			return 0
		}
		if i == 0 {
			total += n
			continue
		}
		total = total*60 + n
	}
	return total
}

// parseBytes reads an amount with an optional K, M, G or T; unit is that of a number without one.
func parseBytes(s string, unit float64) int64 {
	s = strings.TrimRight(s, "cn") // per core or per node, in old releases
	if i := strings.IndexByte("KMGTP", last(s)); i >= 0 && s != "" {
		unit, s = float64(int64(1)<<(10*(i+1))), s[:len(s)-1]
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || !(n >= 0 && n*unit < 1<<62) {
		return 0
	}
	return int64(n * unit)
}

func last(s string) byte {
	if s == "" {
		return 0
	}
	return s[len(s)-1]
}

// unset makes the words that stand for nothing empty.
func unset(s string) string {
	switch s {
	case "N/A", "(null)", "None", "NONE", "None assigned", "Unknown", "INVALID":
		return ""
	default:
		return s
	}
}

var submittedPattern = regexp.MustCompile(`(?m)^(\d+)(?:;\S*)?$`)

// parseSubmitted finds the id in what `sbatch --parsable` printed, among whatever a
// site's plug-ins print. Where several lines could be it, none is.
func parseSubmitted(out string) (id string, ok bool) {
	for _, match := range submittedPattern.FindAllStringSubmatch(out, -1) {
		if ok && match[1] != id {
			return "", false
		}
		id, ok = match[1], true
	}
	return id, ok
}

// parseConfig reads `scontrol show config` into its settings.
func parseConfig(out string) map[string]string {
	settings := make(map[string]string)
	for line := range strings.Lines(out) {
		if key, value, ok := strings.Cut(line, "="); ok {
			settings[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return settings
}

// parseSeconds reads `300 sec`.
func parseSeconds(s string) time.Duration {
	number, _, _ := strings.Cut(s, " ")
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

// parseSample reads JobAcctGatherFrequency: `30`, or `task=30,network=60`. Zero means no samples.
func parseSample(s string) time.Duration {
	for part := range strings.SplitSeq(s, ",") {
		if d := parseSeconds(strings.TrimPrefix(part, "task=")); d > 0 {
			return d
		}
	}
	return 0
}

func isNumber(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}
