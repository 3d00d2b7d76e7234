package cli

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// parseBytes reads a size: 4G, 512M, 1.5GiB and 100 are powers of 1024 as
// schedulers use them, 4GB is a power of 1000.
func parseBytes(s string) (int64, error) {
	text := strings.ToUpper(strings.TrimSpace(s))
	end := strings.LastIndexAny(text, "0123456789.") + 1
	number, unit := text[:end], strings.TrimSpace(text[end:])
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || f < 0 || strings.Trim(number, "0123456789.") != "" {
		return 0, fmt.Errorf("%q is no size like 512M or 4G", s)
	}
	factor := 1.0
	if unit != "" && unit != "B" {
		power := strings.IndexByte("KMGTP", unit[0]) + 1
		if power == 0 {
			return 0, fmt.Errorf("%q has no unit that is known: K, M, G, T, P (1024) or KB, MB, GB, TB, PB (1000)", s)
		}
		switch unit[1:] {
		case "", "I", "IB":
			factor = math.Pow(1024, float64(power))
		case "B":
			factor = math.Pow(1000, float64(power))
		default:
			return 0, fmt.Errorf("%q has no unit that is known: K, M, G, T, P (1024) or KB, MB, GB, TB, PB (1000)", s)
		}
	}
	if f*factor >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is too large", s)
	}
	return int64(f * factor), nil
}

var errDuration = errors.New("is no duration like 90s, 2h30m, 3d or, as sbatch reads it, MM:SS, HH:MM:SS, D-HH or D-HH:MM:SS; a number alone needs a unit, such as 30m")

// parseDuration reads a duration: 90s, 2h30m, 3d, 1d12h, or with colons or days as sbatch means it.
func parseDuration(s string) (time.Duration, error) {
	d, err := durationOf(strings.TrimSpace(s))
	if err != nil {
		return 0, fmt.Errorf("%q %w", s, errDuration)
	}
	return d, nil
}

func durationOf(s string) (time.Duration, error) {
	if strings.Contains(s, ":") || strings.Index(s, "-") > 0 && !strings.ContainsAny(s, "dhms") {
		return clockDuration(s)
	}
	days, rest, found := strings.Cut(s, "d")
	if !found {
		return time.ParseDuration(s)
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil {
		return 0, err
	}
	d := time.Duration(n) * 24 * time.Hour
	if rest == "" {
		return d, nil
	}
	more, err := time.ParseDuration(rest)
	if err != nil || more < 0 || more > math.MaxInt64-d {
		return 0, errDuration
	}
	return d + more, nil
}

// clockDuration reads what sbatch takes for --time, as it means it: MINUTES:SECONDS, HOURS:MINUTES:SECONDS,
// DAYS-HOURS, DAYS-HOURS:MINUTES and DAYS-HOURS:MINUTES:SECONDS.
func clockDuration(s string) (time.Duration, error) {
	units := map[int][]time.Duration{2: {time.Minute, time.Second}, 3: {time.Hour, time.Minute, time.Second}}
	days, rest, hasDays := strings.Cut(s, "-")
	if hasDays {
		afterDays := []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second}
		s = days + ":" + rest
		units = map[int][]time.Duration{2: afterDays[:2], 3: afterDays[:3], 4: afterDays}
	}
	parts := strings.Split(s, ":")
	of, ok := units[len(parts)]
	if !ok {
		return 0, errDuration
	}
	var total time.Duration
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || i > 0 && time.Duration(n)*of[i] >= of[i-1] { // more than the next larger unit has is a slip
			return 0, errDuration
		}
		total += time.Duration(n) * of[i]
	}
	return total, nil
}

// timeLayouts are the ways to write a point in time, the local zone being
// meant where none is given.
var timeLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02"}

// parseTime reads a point in time: RFC 3339, a local date with or without a
// time, `today`, `yesterday`, or how long ago it was, such as 24h or 7d.
func parseTime(s string, now time.Time) (time.Time, error) {
	now = now.Local()
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	switch strings.ToLower(s) {
	case "today":
		return midnight, nil
	case "yesterday":
		return midnight.AddDate(0, 0, -1), nil
	case "now":
		return now, nil
	}
	for _, layout := range timeLayouts {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	if d, err := durationOf(s); err == nil && d >= 0 && !strings.ContainsAny(s, ":-") { // 14:00 would be a time of the day to most people
		return now.Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("%q is no time like 2026-01-31, \"2026-01-31 14:00\", today, yesterday, 24h or 7d", s)
}
