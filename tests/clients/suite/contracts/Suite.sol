// SPDX-License-Identifier: MIT

// Contracts of OpenZeppelin, put together as a project would.
pragma solidity ^0.8.24;
import "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import "@openzeppelin/contracts/token/ERC20/extensions/ERC20Votes.sol";
import "@openzeppelin/contracts/token/ERC20/extensions/ERC20Pausable.sol";
import "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";
import "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import "@openzeppelin/contracts/token/ERC721/extensions/ERC721Enumerable.sol";
import "@openzeppelin/contracts/token/ERC721/extensions/ERC721URIStorage.sol";
import "@openzeppelin/contracts/token/ERC1155/ERC1155.sol";
import "@openzeppelin/contracts/token/ERC1155/extensions/ERC1155Supply.sol";
import "@openzeppelin/contracts/governance/Governor.sol";
import "@openzeppelin/contracts/governance/extensions/GovernorSettings.sol";
import "@openzeppelin/contracts/governance/extensions/GovernorCountingSimple.sol";
import "@openzeppelin/contracts/governance/extensions/GovernorVotes.sol";
import "@openzeppelin/contracts/governance/extensions/GovernorVotesQuorumFraction.sol";
import "@openzeppelin/contracts/governance/extensions/GovernorTimelockControl.sol";
import "@openzeppelin/contracts/governance/TimelockController.sol";
import "@openzeppelin/contracts/access/AccessControl.sol";
import "@openzeppelin/contracts/access/Ownable2Step.sol";
import "@openzeppelin/contracts/finance/VestingWallet.sol";
import "@openzeppelin/contracts/proxy/Clones.sol";
import "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import "@openzeppelin/contracts/utils/Create2.sol";
import "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";

contract Token is ERC20, ERC20Burnable, ERC20Pausable, ERC20Permit, ERC20Votes, Ownable {
    constructor() ERC20("Token", "TKN") ERC20Permit("Token") Ownable(msg.sender) {
        _mint(msg.sender, 1000000 ether);
    }

    function mint(address to, uint256 v) external onlyOwner {
        _mint(to, v);
    }

    function pause() external onlyOwner {
        _pause();
    }

    function unpause() external onlyOwner {
        _unpause();
    }

    function _update(address f, address t, uint256 v) internal override(ERC20, ERC20Pausable, ERC20Votes) {
        super._update(f, t, v);
    }

    function nonces(address o) public view override(ERC20Permit, Nonces) returns (uint256) {
        return super.nonces(o);
    }
}

contract Vault is ERC4626 {
    constructor(IERC20 a) ERC4626(a) ERC20("Vault", "vTKN") {}
}

contract Art is ERC721Enumerable, ERC721URIStorage, AccessControl {
    bytes32 public constant MINTER = keccak256("MINTER");

    constructor() ERC721("Art", "ART") {
        _grantRole(DEFAULT_ADMIN_ROLE, msg.sender);
        _grantRole(MINTER, msg.sender);
    }

    function mint(address to, uint256 id, string calldata uri) external onlyRole(MINTER) {
        _safeMint(to, id);
        _setTokenURI(id, uri);
    }

    function _update(address to, uint256 id, address a) internal override(ERC721, ERC721Enumerable) returns (address) {
        return super._update(to, id, a);
    }

    function _increaseBalance(address a, uint128 v) internal override(ERC721, ERC721Enumerable) {
        super._increaseBalance(a, v);
    }

    function tokenURI(uint256 id) public view override(ERC721, ERC721URIStorage) returns (string memory) {
        return super.tokenURI(id);
    }

    function supportsInterface(bytes4 i)
        public
        view
        override(ERC721Enumerable, ERC721URIStorage, AccessControl)
        returns (bool)
    {
        return super.supportsInterface(i);
    }
}

contract Items is ERC1155Supply, Ownable {
    constructor() ERC1155("ipfs://{id}") Ownable(msg.sender) {}

    function mintBatch(address to, uint256[] calldata ids, uint256[] calldata v) external onlyOwner {
        _mintBatch(to, ids, v, "");
    }
}

contract Gov is
    Governor,
    GovernorSettings,
    GovernorCountingSimple,
    GovernorVotes,
    GovernorVotesQuorumFraction,
    GovernorTimelockControl
{
    constructor(IVotes t, TimelockController c)
        Governor("Gov")
        GovernorSettings(1, 20, 0)
        GovernorVotes(t)
        GovernorVotesQuorumFraction(4)
        GovernorTimelockControl(c)
    {}

    function state(uint256 p) public view override(Governor, GovernorTimelockControl) returns (ProposalState) {
        return super.state(p);
    }

    function proposalNeedsQueuing(uint256 p) public view override(Governor, GovernorTimelockControl) returns (bool) {
        return super.proposalNeedsQueuing(p);
    }

    function proposalThreshold() public view override(Governor, GovernorSettings) returns (uint256) {
        return super.proposalThreshold();
    }

    function _queueOperations(uint256 p, address[] memory t, uint256[] memory v, bytes[] memory c, bytes32 d)
        internal
        override(Governor, GovernorTimelockControl)
        returns (uint48)
    {
        return super._queueOperations(p, t, v, c, d);
    }

    function _executeOperations(uint256 p, address[] memory t, uint256[] memory v, bytes[] memory c, bytes32 d)
        internal
        override(Governor, GovernorTimelockControl)
    {
        super._executeOperations(p, t, v, c, d);
    }

    function _cancel(address[] memory t, uint256[] memory v, bytes[] memory c, bytes32 d)
        internal
        override(Governor, GovernorTimelockControl)
        returns (uint256)
    {
        return super._cancel(t, v, c, d);
    }

    function _executor() internal view override(Governor, GovernorTimelockControl) returns (address) {
        return super._executor();
    }
}

contract Timelock is TimelockController {
    constructor(uint256 d, address[] memory p, address[] memory e, address a) TimelockController(d, p, e, a) {}
}

contract Vesting is VestingWallet {
    constructor(address b, uint64 s, uint64 d) payable VestingWallet(b, s, d) {}
}

contract Two is Ownable2Step {
    constructor() Ownable(msg.sender) {}
}

contract Box {
    uint256 public value;
    error TooMuch(uint256 asked);
    event Stored(address indexed who, uint256 value);

    function store(uint256 v) external payable {
        if (v > 1e18) revert TooMuch(v);
        require(v != 13, "unlucky");
        assert(v != 14);
        value = v;
        emit Stored(msg.sender, v);
    }
}

contract Factory {
    event Made(address what);

    function clone(address i, bytes32 s) external {
        emit Made(Clones.cloneDeterministic(i, s));
    }

    function predict(address i, bytes32 s) external view returns (address) {
        return Clones.predictDeterministicAddress(i, s);
    }

    function proxy(address i, bytes calldata d) external {
        emit Made(address(new ERC1967Proxy(i, d)));
    }

    function deploy(bytes32 s, bytes calldata c) external {
        emit Made(Create2.deploy(0, s, c));
    }
}

contract Lib {
    using EnumerableSet for EnumerableSet.UintSet;
    EnumerableSet.UintSet s;

    function verify(bytes32[] calldata p, bytes32 r, bytes32 l) external pure returns (bool) {
        return MerkleProof.verifyCalldata(p, r, l);
    }

    function recover(bytes32 h, bytes calldata g) external pure returns (address) {
        return ECDSA.recover(h, g);
    }

    function add(uint256 v) external returns (bool) {
        return s.add(v);
    }

    function fill(uint256 n) external {
        for (uint256 i; i < n; ++i) {
            s.add(i);
        }
    }

    function length() external view returns (uint256) {
        return s.length();
    }

    function at(uint256 i) external view returns (uint256) {
        return s.at(i);
    }
}
