// Checks that imports inside a crate run one way.
//
// For each crate, or module of a crate, `LAYERS` lists its modules from top to
// bottom. A module may use modules of lower layers only; modules in one layer may
// not use each other. So no circle of modules is possible. `lib.rs`, `main.rs` and
// `mod.rs` stand above all layers, as does `main/`, the rest of the program.

import { existsSync, readFileSync, readdirSync } from "node:fs"
import { join, relative } from "node:path"

const LAYERS = {
    "dlm-server": [
        ["fuzz"],
        ["server"],
        ["http"],
        ["socket"],
        ["problem"],
        ["service"],
        ["auth"],
        ["tasks"],
        ["writer"],
        ["feed"],
        ["log", "lease_watchers", "release_requests", "membership", "anonymous_claims", "usage"],
        ["store"],
        ["background", "tls", "webhook"],
        ["audit"],
        ["clock", "metrics"],
        ["logging", "reload"],
        ["line_queue"],
        ["random"],
    ],
    "dlm-client": [
        ["blocking"],
        ["builder", "admin", "explain"],
        ["client"],
        ["lock"],
        ["draft"],
        ["acquire", "adopt", "list", "events"],
        ["guard"],
        ["worker"],
        ["held_lease"],
        ["term", "reservation", "transport"],
        ["credentials"],
        ["token"],
        ["outcome"],
        ["clock", "retry", "error"],
        ["request_error"],
        ["certificate_error", "no_certificate_error", "loss", "release_request", "defaults", "detached", "place", "reentrancy", "test_time"],
    ],
    "dlm-cli": [
        ["commands", "run"],
        ["top"],
        ["connection"],
        ["login_file", "output"],
        ["arguments", "failure"],
        ["exit_code"],
    ],
    "dlm-cli/run": [
        ["wrapper"],
        ["acquire", "supervised"],
        ["progress", "supervisor"],
        ["trampoline", "report", "environment", "terminal"],
        ["link", "processes", "deadline", "signals"],
        ["descriptor"],
    ],
    "dlm-cli/top": [["view"], ["state"], ["activity", "dialog", "keyboard"]],
    "dlm-client/acquire": [["acquisition"], ["attempt", "cancel"], ["options"]],
    "dlm-client/events": [["reader"], ["item"]],
    "dlm-client/transport": [
        ["reads", "submission"],
        ["route"],
        ["call", "session"],
        ["servers", "socket"],
        ["http", "dial", "handshake"],
        ["pool", "response", "options"],
        ["answer", "kind", "tls", "no_tls"],
        ["address"],
    ],
    "dlm-client/transport/session": [
        ["reconnect"],
        ["connection"],
        ["disconnect", "event", "handle", "liveness"],
        ["link"],
        ["operations", "submitted"],
        ["recipient"],
    ],
    "dlm-client/worker": [
        ["run"],
        ["release", "renewals"],
        ["handle", "renewal_batch", "schedule", "ended_leases"],
        ["context"],
        ["thread"],
        ["command"],
    ],
}

let failed = false
for (const [parent, layers] of Object.entries(LAYERS)) {
    for (const problem of check(parent, layers)) {
        console.error(`${parent}: ${problem}`)
        failed = true
    }
}
process.exit(failed ? 1 : 0)

// `parent` is a crate, or a module of a crate as in `dlm-client/transport`.
function check(parent, layers) {
    const [crate, ...modules] = parent.split("/")
    const source = join(crate, "src", ...modules)
    const root = ["crate", ...modules].join("::")
    const layerOf = new Map(layers.flatMap((modules, layer) => modules.map((module) => [module, layer])))
    const reexports = reexportsOf(readFileSync(rootOf(source, modules), "utf8"))
    const problems = []
    const found = new Set()
    for (const file of rustFiles(source)) {
        // `store/postgres/mod.rs` is the module `store::postgres`.
        const path = relative(source, file).replace(/(\/mod)?\.rs$/, "").split("/")
        const module = path[0]
        // `main/` has parts of the program.
        if (module === "main" || (path.length === 1 && ["lib", "main", "mod"].includes(module))) continue
        found.add(module)
        if (!layerOf.has(module)) continue
        for (const name of namesUsed(readFileSync(file, "utf8"), root, path.length)) {
            const used = layerOf.has(name) ? name : reexports.get(name)
            if (used === undefined) {
                problems.push(`${relative(crate, file)} uses ${root}::${name}, which is in no layer`)
            } else if (used !== module && layerOf.get(used) <= layerOf.get(module)) {
                problems.push(`${relative(crate, file)} uses ${used}, which is not below ${module}`)
            }
        }
    }
    for (const module of found) {
        if (!layerOf.has(module)) problems.push(`the module ${module} is in no layer of script/module-layers.mjs`)
    }
    for (const module of layerOf.keys()) {
        if (!found.has(module)) problems.push(`script/module-layers.mjs names the module ${module}, which does not exist`)
    }
    return problems
}

// The file that declares the modules: a crate without a library has `main.rs`.
function rootOf(source, modules) {
    if (modules.length > 0) return join(source, "mod.rs")
    const library = join(source, "lib.rs")
    return existsSync(library) ? library : join(source, "main.rs")
}

function rustFiles(folder) {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
        const path = join(folder, entry.name)
        if (entry.isDirectory()) return rustFiles(path)
        return path.endsWith(".rs") ? [path] : []
    })
}

// The names in `root`, a crate or a module, that a file this deep inside it uses:
// through its path, or through as many `super::` as lead to it.
function namesUsed(text, root, depth) {
    const code = withoutCommentsAndTests(text)
    const use = new RegExp(String.raw`(?<![\w:$])(?:${root}::|(?:super::){${depth}}(?!super::))(\w+|\{)`, "g")
    const names = new Set()
    for (const match of code.matchAll(use)) {
        if (match[1] !== "{") names.add(match[1])
        else groupItems(code, match.index + match[0].length).forEach((item) => names.add(item))
    }
    return names
}

// The first path segment of each item in the group that begins at `start`.
function groupItems(code, start) {
    const items = []
    let item = ""
    for (let index = start, level = 1; level > 0 && index < code.length; index += 1) {
        const char = code[index]
        if (char === "{") level += 1
        if (char === "}") level -= 1
        if (level === 0 || (level === 1 && char === ",")) {
            items.push(item.trim().split(/\W/)[0])
            item = ""
        } else {
            item += char
        }
    }
    return items.filter(Boolean)
}

// What `lib.rs` re-exports: the public name, and the module it comes from.
function reexportsOf(lib) {
    const reexports = new Map()
    for (const [, module, names] of lib.matchAll(/pub(?:\(crate\))? use (?:self::)?(\w+)::(?:\w+::)*(\{[^}]*\}|\w[^;]*);/g)) {
        for (const name of names.replace(/[{}]/g, "").split(",")) {
            const shown = name.trim().split(/ as |::/).pop().trim()
            if (shown) reexports.set(shown, module)
        }
    }
    return reexports
}

// Unit tests stand at the end of a file, and may use what they like.
function withoutCommentsAndTests(text) {
    return text.replace(/^\s*\/\/.*$/gm, "").replace(/^#\[cfg\(test\)\]\n(#\[.*\]\n)*mod \w+ \{[\s\S]*/m, "")
}
