// Checks that imports inside a crate run one way.
//
// For each crate, `LAYERS` lists the top-level modules from top to bottom. A
// module may use modules of lower layers only; modules in one layer may not use
// each other. So no circle of modules is possible. `lib.rs` and `main.rs` stand
// above all layers.

import { readFileSync, readdirSync } from "node:fs"
import { join, relative } from "node:path"

const LAYERS = {
    "dlm-server": [
        ["server"],
        ["http"],
        ["socket"],
        ["problem"],
        ["service"],
        ["tasks"],
        ["writer"],
        ["feed"],
        ["log", "lease_watchers", "membership"],
        ["store"],
        ["background"],
        ["clock", "logging", "metrics"],
    ],
}

let failed = false
for (const [crate, layers] of Object.entries(LAYERS)) {
    for (const problem of check(crate, layers)) {
        console.error(`${crate}: ${problem}`)
        failed = true
    }
}
process.exit(failed ? 1 : 0)

function check(crate, layers) {
    const source = join(crate, "src")
    const layerOf = new Map(layers.flatMap((modules, layer) => modules.map((module) => [module, layer])))
    const reexports = reexportsOf(readFileSync(join(source, "lib.rs"), "utf8"))
    const problems = []
    const found = new Set()
    for (const file of rustFiles(source)) {
        // `store/postgres/mod.rs` is the module `store::postgres`.
        const path = relative(source, file).replace(/(\/mod)?\.rs$/, "").split("/")
        const module = path[0]
        if (path.length === 1 && ["lib", "main"].includes(module)) continue
        found.add(module)
        if (!layerOf.has(module)) continue
        for (const name of rootNames(readFileSync(file, "utf8"), path.length)) {
            const used = layerOf.has(name) ? name : reexports.get(name)
            if (used === undefined) {
                problems.push(`${relative(crate, file)} uses crate::${name}, which is in no layer`)
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

function rustFiles(folder) {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
        const path = join(folder, entry.name)
        if (entry.isDirectory()) return rustFiles(path)
        return path.endsWith(".rs") ? [path] : []
    })
}

// The names at the root of the crate that a file of a module at this depth
// uses: through `crate::`, or through as many `super::` as lead to the root.
function rootNames(text, depth) {
    const code = withoutCommentsAndTests(text)
    const root = new RegExp(String.raw`(?<![\w:$])(?:crate::|(?:super::){${depth}}(?!super::))(\w+|\{)`, "g")
    const names = new Set()
    for (const match of code.matchAll(root)) {
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
    for (const [, module, names] of lib.matchAll(/pub(?:\(crate\))? use (\w+)::(?:\w+::)*(\{[^}]*\}|\w[^;]*);/g)) {
        for (const name of names.replace(/[{}]/g, "").split(",")) {
            const shown = name.trim().split(/ as |::/).pop().trim()
            if (shown) reexports.set(shown, module)
        }
    }
    return reexports
}

// Unit tests stand at the end of a file, and may use what they like.
function withoutCommentsAndTests(text) {
    return text.replace(/^\s*\/\/.*$/gm, "").replace(/^#\[cfg\(test\)\]\nmod \w+ \{[\s\S]*/m, "")
}
