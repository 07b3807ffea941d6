/**
 * Owns the strings: every text of the panel comes from `locales/<language>/main.json`, under "artifactDb".
 */

/** @returns {Promise<(key: string, values?: Record<string, any>) => string>} */
export async function loadWords(base, language, fetcher = (...given) => fetch(...given)) {
  const read = async (name) => {
    const answer = await fetcher(`${base}/assets/locales/${name}/main.json`);
    return answer.ok ? ((await answer.json()).artifactDb ?? {}) : {};
  };
  const wanted = (language || "en").split("-")[0];
  const english = await read("en");
  return words(wanted === "en" ? english : { ...english, ...(await read(wanted)) });
}

/** Texts with {names} that are filled in; of a plural "one | other" the fitting part by `n`. */
export function words(table) {
  return (key, values = {}) => {
    let text = table[key] ?? key;
    if (text.includes(" | ")) {
      const [one, other] = text.split(" | ");
      text = values.n === 1 ? one : other;
    }
    return text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
  };
}

export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = -1;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** How long a film or a sound lasts: 0:04, 1:02:03. */
export function lasting(seconds) {
  const whole = Math.max(0, Math.floor(Number(seconds)));
  const two = (value) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** A time as a person says it: today by the clock, this year by the day. */
export function when(iso, language, now = new Date()) {
  const moment = new Date(iso);
  if (moment.toDateString() === now.toDateString()) {
    return moment.toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit" });
  }
  const year = moment.getFullYear() === now.getFullYear() ? undefined : "numeric";
  return moment.toLocaleString(language, { year, month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
}

/** How long something took, or takes already, as a clock has it: < 1 s, 0:07, 12:34, 1:02:03, 2 d 03:04. */
export function lasted(from, to, now = new Date()) {
  const seconds = Math.max(0, Math.floor(((to ? new Date(to) : now) - new Date(from)) / 1000));
  const [days, hours, minutes] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  const two = (value) => String(value).padStart(2, "0");
  if (seconds === 0) return "< 1 s";
  if (days) return `${days} d ${two(hours)}:${two(minutes)}`;
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** The end of a file's name, which is seen also where there is no room for all of it: what comes before its dot tells
 *  one of a batch from another. Empty for a short name. */
export function ending(filename) {
  if (filename.length <= 14) return "";
  const dot = filename.lastIndexOf(".");
  let cut = Math.max(1, (dot > filename.length - 8 ? dot : filename.length) - 6);
  if (/[\uDC00-\uDFFF]/.test(filename[cut])) cut += 1;
  return filename.slice(cut);
}
