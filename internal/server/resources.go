package server

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/stint-jobs/stint/internal/executor/local"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/scheduler"
)

// maxGPUs bounds the graphics processors of a machine.
const maxGPUs = 1024

// GPUConfig says which graphics processors local jobs may have.
type GPUConfig struct {
	// Auto is for those of this machine.
	Auto bool
	// Indexes are those to be handed out, where Auto is not set.
	Indexes []int32
}

// indexes returns those that are handed out.
func (c GPUConfig) indexes() []int32 {
	if c.Auto {
		return local.FindGPUs()
	}
	return c.Indexes
}

// gpusValue is a flag for graphics processors.
type gpusValue struct{ c *GPUConfig }

const gpusAuto = "auto"

// newGPUs is a flag that is auto where it is not given.
func newGPUs(c *GPUConfig) *gpusValue {
	c.Auto = true
	return &gpusValue{c}
}

// Set reads auto, a number, or a list of indexes and ranges of them.
func (v *gpusValue) Set(s string) error {
	s = strings.TrimSpace(s)
	if s == gpusAuto {
		*v.c = GPUConfig{Auto: true}
		return nil
	}
	if n, err := strconv.ParseUint(s, 10, 16); err == nil && n <= maxGPUs {
		*v.c = GPUConfig{Indexes: indexRange(0, int32(n))} //nolint:gosec // at most maxGPUs
		return nil
	}
	var all []int32
	for part := range strings.SplitSeq(s, ",") {
		first, last, ranged := strings.Cut(strings.TrimSpace(part), "-")
		if !ranged {
			last = first
		}
		a, err := strconv.ParseUint(first, 10, 16)
		b, errLast := strconv.ParseUint(last, 10, 16)
		if err != nil || errLast != nil || a > b || b >= maxGPUs {
			return fmt.Errorf("%q is not auto, a number of graphics processors, or indexes such as 0,2 or 1-3", s)
		}
		all = append(all, indexRange(int32(a), int32(b)+1)...) //nolint:gosec // below maxGPUs
	}
	slices.Sort(all)
	if len(slices.Compact(slices.Clone(all))) < len(all) {
		return fmt.Errorf("%q names an index twice", s)
	}
	*v.c = GPUConfig{Indexes: all}
	return nil
}

// indexRange returns the indexes from first to before end.
func indexRange(first, end int32) []int32 {
	all := make([]int32, 0, end-first)
	for i := first; i < end; i++ {
		all = append(all, i)
	}
	return all
}

// String is the value as Set reads it.
func (v *gpusValue) String() string {
	if v.c == nil || v.c.Auto {
		return gpusAuto
	}
	if n := len(v.c.Indexes); n == 0 || v.c.Indexes[0] == 0 && int(v.c.Indexes[n-1]) == n-1 {
		return strconv.Itoa(n)
	}
	words := make([]string, len(v.c.Indexes))
	for i, index := range v.c.Indexes {
		words[i] = fmt.Sprintf("%d-%[1]d", index) // one alone would be a number
	}
	return strings.Join(words, ",")
}

// Type is the word for the value in the help.
func (v *gpusValue) Type() string { return "gpus" }

// namedValue is a flag for amounts of resources by names of the operator.
type namedValue struct{ m *map[string]int64 }

// Set reads NAME=AMOUNT, separated by commas.
func (v *namedValue) Set(s string) error {
	m := make(map[string]int64)
	for part := range strings.SplitSeq(s, ",") {
		name, text, ok := strings.Cut(strings.TrimSpace(part), "=")
		n, err := strconv.ParseInt(text, 10, 64)
		if !ok || err != nil {
			return fmt.Errorf("%q is not NAME=AMOUNT with a whole number, such as matlab=4", part)
		}
		if _, twice := m[name]; twice {
			return fmt.Errorf("%q is named twice", name)
		}
		m[name] = n
	}
	*v.m = m
	return nil
}

// String is empty: nothing is set by default.
func (v *namedValue) String() string { return "" }

// Type is the word for the value in the help.
func (v *namedValue) Type() string { return "name=amount,..." }

// checkResources finds what is wrong with resources that the operator named.
func (c Config) checkResources() error {
	wrong := job.CheckNamed("--resources", c.Resources)
	for _, name := range slices.Sorted(maps.Keys(c.Clusters)) {
		wrong = append(wrong, job.CheckNamed("clusters."+name+".resources", c.Clusters[name].Resources)...)
	}
	return violationsOf(wrong)
}

// withNamed adds what the operator named to a capacity.
func withNamed(c scheduler.Capacity, named map[string]int64) scheduler.Capacity {
	maps.Copy(c, named)
	return c
}
